-- A context for specs of the Responses dialect and adapter: counted ids, collected reports, stored responses.
local support = {}

function support.context(changes)
  local count = 0
  local context = {
    dialect = "responses", adapter = "openai", model = "m-1", public_model = "smart", now = 1700000000, stream = false,
    provider = { name = "p" }, info = { capabilities = {} }, dropped = {}, stored = {}, stored_items = {},
  }
  function context.id(prefix)
    count = count + 1
    return prefix .. count
  end
  function context.drop(field, reason) context.dropped[field] = reason or true end
  context.responses = {
    get = function(id)
      local one = context.stored[id]
      if one then return one[1], one[2] end
    end,
    item = function(id) return context.stored_items[id] end,
  }
  for key, value in pairs(changes or {}) do context[key] = value end
  return context
end

-- Every event through the dialect -> all frames, the state.
function support.play(dialect, context, events)
  local state, frames = dialect.new_stream(context), {}
  for _, event in ipairs(events) do frames[#frames + 1] = dialect.encode_event(state, event) end
  return table.concat(frames), state
end

return support
