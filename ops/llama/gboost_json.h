/* What the files of the shim share: errors as text, blocks for the caller, JSON with limits. */
#ifndef GBOOST_JSON_H
#define GBOOST_JSON_H

#include "json.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

/* Runs `body`; an exception becomes -1 and a text. */
template <typename Body> int guarded(char *error, size_t size, Body body) {
    const char *text = "unknown failure";
    try {
        body();
        return 0;
    } catch (const std::exception &e) {
        if (error != nullptr && size > 0) snprintf(error, size, "%s", e.what());
        return -1;
    } catch (...) {
        if (error != nullptr && size > 0) snprintf(error, size, "%s", text);
        return -1;
    }
}

/* Copies a text into memory that C can free. */
inline void hand_over(const std::string &text, char **out, size_t *size) {
    *out = static_cast<char *>(malloc(text.size() + 1));
    if (*out == nullptr) throw std::bad_alloc();
    memcpy(*out, text.c_str(), text.size() + 1);
    *size = text.size();
}

/* The converters call themselves for every level: what is nested deeper than this is refused unread. */
constexpr int max_json_depth = 64;

/* llama.cpp's JSON looks for a member of an object among all of them, and walks to each from the first: what has more
 * is refused unread. */
constexpr int max_json_members = 1000;

inline common_json parse_json(const std::string &text, const char *what) {
    int depth = 0;
    int members[max_json_depth + 1] = {0};
    bool in_string = false;
    for (size_t i = 0; i < text.size(); i++) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') i++;
            if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > max_json_depth) throw std::runtime_error(std::string(what) + ": nested too deeply");
            if (depth > 0) members[depth] = 0;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == ':' && depth > 0 && ++members[depth] > max_json_members) {
            throw std::runtime_error(
                std::string(what) + ": an object has more than " + std::to_string(max_json_members) + " members");
        }
    }
    common_json value = common_json::parse_no_throw(text);
    if (value.is_discarded()) throw std::runtime_error(std::string(what) + ": not JSON");
    return value;
}

#endif
