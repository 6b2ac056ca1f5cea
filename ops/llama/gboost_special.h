/* The special tokens of a vocabulary, and texts in which their names are not read as such. */
#ifndef GBOOST_SPECIAL_H
#define GBOOST_SPECIAL_H

#include <llama.h>

#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

/* What stands for a token in a text, special tokens included. */
std::string token_text(const llama_vocab *vocab, llama_token token);

class special_tokens {
public:
    /* Control tokens, and of the vocabulary's own words those that the template writes (`<tool_call>` and the like):
     * a tokenizer finds these in any text, asked or not. */
    special_tokens(const llama_vocab *vocab, const std::string &source);

    bool contains(llama_token token) const { return ids.count(token) != 0; }

    /* The text with `separator` behind the first character of every name. An answer of the model's own keeps its
     * words: templates look for them there. */
    std::string broken(const std::string &text, const std::string &separator, bool is_answer) const;

    /* The text without separators, in pieces: cut where they stood, and, if it is input, in every name. */
    std::vector<std::string> pieces(const std::string &text, const std::string &separator, bool is_input) const;

    /* How often a name stands in the text. */
    size_t count(const std::string &text) const;

private:
    /* True where a name begins at `start`. */
    bool is_name(const std::string &text, size_t start, bool only_control) const;

    std::unordered_set<llama_token> ids;
    std::unordered_map<std::string, bool> names; /* and whether it is a control token's */
    std::set<size_t> lengths;
    bool begins[256] = {};
};

#endif
