local usage = require "gateyes.usage"

describe("usage", function()
  it("adds what Anthropic counts beside the input to prompt_tokens", function()
    local vector = usage.from_anthropic {
      input_tokens = 15, cache_read_input_tokens = 12, cache_creation_input_tokens = 13, output_tokens = 4,
    }
    assert.same({ input = 15, cache_read = 12, cache_write_5m = 13, output = 4 }, vector)
    assert.same({
      prompt_tokens = 40, completion_tokens = 4, total_tokens = 44,
      prompt_tokens_details = { cached_tokens = 12, cache_write_tokens = 13 },
    }, usage.to_openai(vector))
  end)

  it("comes back from the OpenAI form to the same vector", function()
    local vector = { input = 15, cache_read = 12, cache_write_5m = 13, output = 9, reasoning = 5,
      audio_input = 2, audio_output = 1,
      raw_details = { accepted_prediction_tokens = 1, rejected_prediction_tokens = 2 } }
    assert.same(vector, usage.from_openai(usage.to_openai(vector)))
  end)

  it("never gives a negative input", function()
    local vector = usage.from_openai { prompt_tokens = 5, completion_tokens = 1,
      prompt_tokens_details = { cached_tokens = 9 } }
    assert.equal(0, vector.input)
    vector = usage.from_responses { input_tokens = 5, output_tokens = 1, input_tokens_details = { cached_tokens = 9 } }
    assert.equal(0, vector.input)
  end)

  it("reads the cache fields of DeepSeek and Moonshot", function()
    local vector = usage.from_openai { prompt_tokens = 20, completion_tokens = 1, prompt_cache_hit_tokens = 16,
      prompt_cache_miss_tokens = 4 }
    assert.equal(4, vector.input)
    assert.equal(16, vector.cache_read)
    vector = usage.from_openai { prompt_tokens = 20, completion_tokens = 1, cached_tokens = 5 }
    assert.equal(15, vector.input)
  end)

  it("adds reasoning to the output only where the total says that it was left out", function()
    local beside = usage.from_openai { prompt_tokens = 32, completion_tokens = 9, total_tokens = 135,
      completion_tokens_details = { reasoning_tokens = 94 } }
    assert.equal(103, beside.output)
    local inside = usage.from_openai { prompt_tokens = 32, completion_tokens = 103, total_tokens = 135,
      completion_tokens_details = { reasoning_tokens = 94 } }
    assert.equal(103, inside.output)
    local unnamed = usage.from_openai { prompt_tokens = 17, completion_tokens = 2, total_tokens = 402 }
    assert.equal(385, unnamed.output)
    assert.equal(383, unnamed.reasoning)
    assert.equal(402, usage.to_openai(unnamed).total_tokens)
    local silent = usage.from_openai { prompt_tokens = 7, total_tokens = 8 }
    assert.same({ input = 7, output = 1 }, silent)
    local beside_cache = usage.from_openai { prompt_tokens = 3, completion_tokens = 2, total_tokens = 25,
      prompt_tokens_details = { cached_tokens = 20 } }
    assert.equal(2, beside_cache.output)
  end)

  it("takes an embedding's usage, which has no completion", function()
    assert.same({ input = 8, output = 0 }, usage.from_openai { prompt_tokens = 8, total_tokens = 8 })
  end)

  it("ignores what is not a count", function()
    assert.is_nil(usage.from_openai "many")
    assert.is_nil(usage.from_openai {})
    assert.is_nil(usage.from_openai(nil))
    assert.is_nil(usage.from_anthropic {})
    assert.same({ input = 3, output = 1 }, usage.from_openai {
      prompt_tokens = 3, completion_tokens = 1, prompt_tokens_details = { cached_tokens = -4, audio_tokens = "1" },
    })
  end)

  it("keeps the lifetimes of Anthropic's cache writes apart", function()
    local first = usage.from_anthropic { input_tokens = 1, output_tokens = 1, cache_creation_input_tokens = 130,
      cache_creation = { ephemeral_5m_input_tokens = 30, ephemeral_1h_input_tokens = 100 } }
    assert.equal(30, first.cache_write_5m)
    assert.equal(100, first.cache_write_1h)
    local last = usage.from_anthropic({ output_tokens = 7, cache_creation_input_tokens = 130 }, first)
    local merged = usage.merge(first, last)
    assert.equal(30, merged.cache_write_5m)
    assert.equal(100, merged.cache_write_1h)
    assert.equal(7, merged.output)
    assert.equal(1, merged.input)
    assert.equal(131, usage.to_openai(merged).prompt_tokens)
  end)

  it("counts a cache write that the lifetimes leave out as one of the default lifetime", function()
    local vector = usage.from_anthropic { input_tokens = 1, output_tokens = 1, cache_creation_input_tokens = 9,
      cache_creation = { ephemeral_5m_input_tokens = 0, ephemeral_1h_input_tokens = 2 } }
    assert.equal(7, vector.cache_write_5m)
    assert.equal(2, vector.cache_write_1h)
  end)

  it("does not erase an earlier report with a partial one", function()
    local merged = usage.merge({ input = 9, cache_read = 2, output = 1 }, usage.from_anthropic { output_tokens = 5 })
    assert.same({ input = 9, cache_read = 2, output = 5 }, merged)
  end)

  it("writes every field that the Responses schema requires", function()
    assert.same({
      input_tokens = 40, input_tokens_details = { cached_tokens = 12, cache_write_tokens = 13 },
      output_tokens = 4, output_tokens_details = { reasoning_tokens = 0 }, total_tokens = 44,
    }, usage.to_responses { input = 15, cache_read = 12, cache_write_5m = 13, output = 4 })
    local vector = { input = 1, cache_read = 2, cache_write_5m = 3, output = 4, reasoning = 2 }
    assert.same(vector, usage.from_responses(usage.to_responses(vector)))
  end)

  it("comes back from the Anthropic form to the same vector", function()
    local vector = { input = 15, cache_read = 12, cache_write_5m = 6, cache_write_1h = 7, output = 4, reasoning = 3,
      raw_details = { server_tool_use = { web_search_requests = 1 } } }
    assert.same(vector, usage.from_anthropic(usage.to_anthropic(vector)))
    local unknown = usage.to_anthropic {}
    assert.equal(0, unknown.input_tokens)
    assert.equal(0, unknown.cache_creation_input_tokens)
  end)
end)
