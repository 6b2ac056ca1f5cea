#include "gboost_chat.h"
#include "gboost_json.h"

#include "json-schema-to-grammar.h"

namespace {

/* A schema comes from a client. */
constexpr size_t max_schema_bytes = 256 << 10;
/* What a short schema may grow to: repeated references multiply. */
constexpr size_t max_grammar_bytes = 1 << 20;

} // namespace

extern "C" int gboost_grammar_from_schema(
    const char *schema, char **out, size_t *out_size, char *error, size_t error_size) {
    return guarded(error, error_size, [&] {
        const std::string text = schema;
        if (text.size() > max_schema_bytes) throw std::runtime_error("the schema is larger than 256 KiB");
        const std::string grammar = json_schema_to_grammar(parse_json(text, "the schema"), true);
        if (grammar.size() > max_grammar_bytes) throw std::runtime_error("the schema's grammar is too large");
        hand_over(grammar, out, out_size);
    });
}
