/* What the gateway needs of llama.cpp's C++ side, behind a C interface: the model's own chat template, run by
 * llama.cpp's Jinja with user text kept apart, grammars of JSON schemas, and the loops over a row of logits that must
 * run optimised even in a debug build of the gateway. No function lets a C++ exception out. */
#ifndef GBOOST_CHAT_H
#define GBOOST_CHAT_H

#include <stddef.h>
#include <stdint.h>
#include <llama.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gboost_chat gboost_chat;

/* Parses a chat template, ChatML where `source` is NULL. Special tokens, and the begin and end of a sequence, are the
 * vocabulary's; `bos` and `eos` stand in where `vocab` is NULL. NULL with a text in `error` where it cannot be read. */
gboost_chat *gboost_chat_open(
    const struct llama_vocab *vocab, const char *source, const char *bos, const char *eos, char *error,
    size_t error_size);
void gboost_chat_close(gboost_chat *chat);
/* 1 for a token that ends a turn, calls a tool or the like: control tokens, and those of the vocabulary's own words
 * that the template writes. */
int gboost_chat_is_special(const gboost_chat *chat, int32_t token);

/* One message; what a message does not have is NULL. `tool_calls` is a JSON array. */
typedef struct {
    const char *role;
    const char *content;
    const char *reasoning;
    const char *tool_calls;
    const char *tool_call_id;
    const char *name;
} gboost_message;

typedef struct {
    const gboost_message *messages;
    size_t count;
    const char *tools;     /* JSON array, or NULL */
    const char *arguments; /* JSON object of further variables for the template, or NULL */
    int opens_answer;      /* 1: ends with the opening of the assistant's turn */
    int64_t now;           /* seconds since 1970, for templates that write the date; 0: the clock's */
} gboost_conversation;

/* A part came out of a message or a tool: nothing in it may be read as a special token. */
#define GBOOST_PART_INPUT 1
/* Before this part the text has to be cut for the tokenizer: across the cut stands the name of a special token. */
#define GBOOST_PART_CUT 2

/* Renders a conversation. The answer is a sequence of parts, each one byte of the flags above, four bytes of length
 * (host order), the bytes. Returns 0 and a block to be freed with gboost_free, or -1 with a text in `error`. */
int gboost_chat_render(
    const gboost_chat *chat, const gboost_conversation *conversation, char **out, size_t *out_size, char *error,
    size_t error_size);

/* A grammar in llama.cpp's notation for the texts that a JSON schema allows. Returns 0 and a text to be freed with
 * gboost_free, or -1 with a text in `error`. */
int gboost_grammar_from_schema(const char *schema, char **out, size_t *out_size, char *error, size_t error_size);

void gboost_free(char *block);

/* One pass over a row of logits. */
typedef struct {
    int32_t best;          /* index of the largest, the first of equals; -1: none is finite */
    float best_logit;
    float log_sum_exp;     /* natural logarithm of the sum of exp(logit) */
    int32_t is_bad;        /* 1 where a value is NaN or +inf, or none is finite */
} gboost_logits;
gboost_logits gboost_logits_scan(const float *logits, int32_t count);

/* Runs a sampler chain over the row; `scratch` holds `count` entries. -1: the chain chose nothing. */
int32_t gboost_logits_sample(
    const float *logits, int32_t count, struct llama_sampler *chain, struct llama_token_data *scratch);

#ifdef __cplusplus
}
#endif
#endif
