#include "gboost_special.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

namespace {

/* Bytes of the character that begins with this one. */
size_t character_length(unsigned char first) {
    if (first < 0x80) return 1;
    if (first < 0xE0) return 2;
    return first < 0xF0 ? 3 : 4;
}

bool is_space(const std::string &text) {
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isspace(c) != 0; });
}

/* The separator as JSON writes it where only ASCII may stand. */
std::string escaped(const std::string &separator) {
    if (separator.size() != 3) return "";
    const unsigned code = ((unsigned char) separator[0] & 0xFu) << 12 | ((unsigned char) separator[1] & 0x3Fu) << 6 |
                          ((unsigned char) separator[2] & 0x3Fu);
    char text[8];
    snprintf(text, sizeof text, "\\u%04x", code);
    return text;
}

} // namespace

std::string token_text(const llama_vocab *vocab, llama_token token) {
    if (token < 0) return "";
    std::string text(64, '\0');
    int32_t length = llama_token_to_piece(vocab, token, &text[0], (int32_t) text.size(), 0, true);
    if (length < 0) {
        text.resize((size_t) -length);
        length = llama_token_to_piece(vocab, token, &text[0], (int32_t) text.size(), 0, true);
    }
    text.resize(length > 0 ? (size_t) length : 0);
    return text;
}

special_tokens::special_tokens(const llama_vocab *vocab, const std::string &source) {
    const int32_t count = vocab == nullptr ? 0 : llama_vocab_n_tokens(vocab);
    for (llama_token token = 0; token < count; token++) {
        const int attributes = llama_vocab_get_attr(vocab, token);
        const bool is_control = (attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) != 0;
        if (!is_control && (attributes & LLAMA_TOKEN_ATTR_USER_DEFINED) == 0) continue;
        const std::string name = token_text(vocab, token);
        if (name.empty()) continue;
        if (!is_control && (is_space(name) || source.find(name) == std::string::npos)) continue;
        if ((attributes & LLAMA_TOKEN_ATTR_UNKNOWN) == 0) ids.insert(token);
        /* One character cannot be broken; it is kept apart by tokenizing its part alone. */
        if (name.size() <= character_length((unsigned char) name[0])) continue;
        names[name] = is_control;
        lengths.insert(name.size());
        begins[(unsigned char) name[0]] = true;
    }
}

bool special_tokens::is_name(const std::string &text, size_t start, bool only_control) const {
    if (!begins[(unsigned char) text[start]]) return false;
    for (const size_t length : lengths) {
        if (start + length > text.size()) break;
        const auto found = names.find(text.substr(start, length));
        if (found != names.end() && (found->second || !only_control)) return true;
    }
    return false;
}

std::string special_tokens::broken(const std::string &text, const std::string &separator, bool is_answer) const {
    std::string result;
    size_t copied = 0;
    for (size_t i = 0; i < text.size(); i++) {
        if (!is_name(text, i, is_answer)) continue;
        const size_t cut = i + character_length((unsigned char) text[i]);
        result.append(text, copied, cut - copied).append(separator);
        copied = cut;
    }
    return copied == 0 ? text : result.append(text, copied, std::string::npos);
}

size_t special_tokens::count(const std::string &text) const {
    size_t found = 0;
    for (size_t i = 0; i < text.size(); i++) found += is_name(text, i, false) ? 1 : 0;
    return found;
}

std::vector<std::string> special_tokens::pieces(
    const std::string &text, const std::string &separator, bool is_input) const {
    std::vector<std::string> found(1);
    const std::string ascii = escaped(separator);
    for (size_t i = 0; i < text.size();) {
        if (text.compare(i, separator.size(), separator) == 0) {
            found.emplace_back();
            i += separator.size();
        } else if (!names.empty() && text[i] == '\\' && text.compare(i, ascii.size(), ascii) == 0) {
            found.emplace_back();
            i += ascii.size();
        } else {
            const bool is_cut = is_input && is_name(text, i, false);
            const size_t length = is_cut ? character_length((unsigned char) text[i]) : 1;
            found.back().append(text, i, length);
            if (is_cut) found.emplace_back();
            i += length;
        }
    }
    return found;
}
