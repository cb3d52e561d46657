/* How many tokens a request and its answer have, by the model's tokenizer, else by an estimate. */
#pragma once
#include "exchange/state.h"

void tokens_open(struct exchange_host *host); /* the worker's memory for counting */
void tokens_close(struct exchange_host *host);

/* Longer texts are counted on a thread of the pool: a megabyte may take a tenth of a second, and
 * nobody else on the worker is to wait for it. */
enum { TOKENS_APART_BYTES = 16 << 10 };

/* Of the prompt, its framing included. Counted once, here and now unless that was awaited. */
uint64_t tokens_prompt(struct exchange *x);
/* STEP_PARK: a long prompt is being counted, and the exchange is woken when its count is known. */
enum step_result tokens_await_prompt(struct exchange *x);
/* The attempt that begins counts its text by the model's tokenizer, if it has one. */
void tokens_meter(struct exchange *x);
uint64_t tokens_output(const struct exchange *x); /* 0 without a tokenizer */
void tokens_forget(struct exchange *x);
/* For scripts: model is a name that clients use, or empty. From TOKENS_APART_BYTES on an estimate.
 */
uint64_t tokens_of_text(struct exchange_host *host, struct slice model, struct slice text);

/* No provider of the model counts tokens: ours, in Anthropic's shape (API reference,
 * count_tokens). */
enum step_result count_tokens_answer(struct exchange *x);
/* POST /v1/tokenize: {model, input | prompt | messages} -> {model, tokenizer, count, tokens}; count
 * alone where it is an estimate, or for messages. */
enum step_result tokenize_answer(struct exchange *x);
