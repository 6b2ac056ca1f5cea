#include "gboost_chat.h"
#include "gboost_json.h"
#include "gboost_special.h"

#include "chat.h"
#include "jinja/parser.h"
#include "jinja/runtime.h"
#include "jinja/value.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

struct gboost_chat {
    common_chat_template tmpl;
    bool strip_bos;
    special_tokens special;
};

namespace {

/* A template is text of the model's file, which nobody has read. */
constexpr size_t max_template_bytes = 1 << 20;

const char *const chatml =
    "{%- for message in messages -%}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}";

std::string name_of(const llama_vocab *vocab, llama_token token, const char *otherwise) {
    if (vocab == nullptr) return otherwise == nullptr ? "" : otherwise;
    return token_text(vocab, token);
}

/* OpenAI's format has arguments as text; most templates were written for objects. */
void open_arguments(common_json &calls) {
    for (auto &call : calls) {
        if (!call.contains("function") || !call["function"].contains("arguments")) continue;
        common_json &arguments = call["function"]["arguments"];
        if (arguments.is_string()) arguments = parse_json(arguments.get<std::string>(), "arguments of a tool call");
    }
}

/* Content as the template wants it: text, or a list of one part. */
common_json content_json(const jinja::caps &caps, const std::string &content) {
    if (caps.supports_string_content || !caps.supports_typed_content) return common_json::make(content);
    common_json part = common_json::object();
    part["type"] = "text";
    part["text"] = content;
    common_json parts = common_json::array();
    parts.push_back(std::move(part));
    return parts;
}

/* Builds the template's variables out of a conversation, the names of special tokens broken in them. */
struct variables {
    const special_tokens &special;
    const jinja::caps &caps;
    const std::string &separator;
    /* False: an assistant's text keeps words of the vocabulary's own, which templates look for there. */
    bool breaks_answers;

    std::string safe(const char *text, bool is_answer = false) const {
        return special.broken(text, separator, is_answer && !breaks_answers);
    }

    common_json safe(const common_json &value) const {
        if (value.is_string()) return common_json::make(special.broken(value.get<std::string>(), separator, false));
        if (value.is_array()) {
            common_json list = common_json::array();
            for (const auto &item : value) list.push_back(safe(item));
            return list;
        }
        if (!value.is_object()) return value;
        common_json object = common_json::object();
        for (auto it = value.begin(); it != value.end(); ++it) {
            object[special.broken(it.key(), separator, false)] = safe(it.value());
        }
        return object;
    }

    common_json message(const gboost_message &source, const std::string &role, const std::string &carried) const {
        const bool is_answer = role == "assistant";
        common_json message = common_json::object();
        message["role"] = role;
        message["content"] = content_json(
            caps, carried + safe(source.content == nullptr ? "" : source.content, is_answer));
        if (source.reasoning != nullptr) message["reasoning_content"] = safe(source.reasoning, is_answer);
        if (source.name != nullptr) message["name"] = safe(source.name);
        if (source.tool_call_id != nullptr) message["tool_call_id"] = safe(source.tool_call_id);
        if (source.tool_calls != nullptr) {
            common_json calls = parse_json(source.tool_calls, "tool_calls");
            if (!calls.is_array()) throw std::runtime_error("tool_calls is no array");
            if (caps.supports_object_arguments) open_arguments(calls);
            message["tool_calls"] = safe(calls);
        }
        return message;
    }

    /* A template without a system role gets the system text in front of the next message, as llama.cpp does it. */
    common_json messages(const gboost_conversation &conversation) const {
        common_json list = common_json::array();
        std::string carried;
        for (size_t i = 0; i < conversation.count; i++) {
            const gboost_message &source = conversation.messages[i];
            std::string role = source.role;
            if (role == "developer") role = "system";
            if (role == "system" && !caps.supports_system_role) {
                if (i + 1 < conversation.count) {
                    carried += safe(source.content == nullptr ? "" : source.content) + "\n";
                    continue;
                }
                role = "user";
            }
            list.push_back(message(source, role, carried));
            carried.clear();
        }
        return list;
    }

    common_json globals(const gboost_conversation &conversation) const {
        common_json globals = common_json::object();
        if (conversation.arguments != nullptr) {
            const common_json more = parse_json(conversation.arguments, "template arguments");
            for (auto it = more.begin(); it != more.end(); ++it) globals[it.key()] = safe(it.value());
        }
        globals["messages"] = messages(conversation);
        if (conversation.tools != nullptr) globals["tools"] = safe(parse_json(conversation.tools, "tools"));
        if (conversation.opens_answer != 0) globals["add_generation_prompt"] = true;
        return globals;
    }
};

/* Roles and types are words of the format; all other text is somebody's. */
void mark_input(const jinja::value &value) {
    if (jinja::is_val<jinja::value_string>(value)) {
        value->val_str.mark_input();
    } else if (jinja::is_val<jinja::value_array>(value)) {
        for (const auto &item : value->as_array()) mark_input(item);
    } else if (jinja::is_val<jinja::value_object>(value)) {
        for (const auto &pair : value->as_ordered_object()) {
            const std::string key = pair.first->as_string().str();
            if (key != "role" && key != "type") mark_input(pair.second);
        }
    }
}

struct prompt_part {
    char flags;
    std::string text;
};

std::vector<prompt_part> rendered(
    const gboost_chat &chat, const gboost_conversation &conversation, const std::string &separator,
    bool breaks_answers) {
    const jinja::caps caps = chat.tmpl.original_caps();
    jinja::context context(chat.tmpl.source());
    if (conversation.now > 0) context.current_time = (std::time_t) conversation.now;
    common_json globals = variables{chat.special, caps, separator, breaks_answers}.globals(conversation);
    globals["bos_token"] = chat.tmpl.bos_token();
    globals["eos_token"] = chat.tmpl.eos_token();
    jinja::global_from_json(context, globals, false);
    mark_input(context.get_val("messages"));
    if (conversation.tools != nullptr) mark_input(context.get_val("tools"));
    jinja::runtime runtime(context);
    const auto text = jinja::runtime::gather_string_parts(runtime.execute(chat.tmpl.prog));

    std::vector<prompt_part> parts;
    const std::string bos = chat.tmpl.bos_token();
    for (const auto &part : text->val_str.parts) {
        std::string value = part.val;
        const bool is_first = &part == &text->val_str.parts.front();
        if (is_first && chat.strip_bos && !part.is_input && !bos.empty() && value.compare(0, bos.size(), bos) == 0) {
            value.erase(0, bos.size());
        }
        char flags = part.is_input ? GBOOST_PART_INPUT : 0;
        for (auto &piece : chat.special.pieces(value, separator, part.is_input)) {
            if (!piece.empty() || (flags & GBOOST_PART_CUT) != 0) parts.push_back({flags, std::move(piece)});
            flags = (char) (flags | GBOOST_PART_CUT);
        }
    }
    return parts;
}

/* Names of special tokens in what the template wrote, as far as that can be told. */
size_t own_names(const gboost_chat &chat, const std::vector<prompt_part> &parts) {
    size_t count = 0;
    for (const auto &part : parts) {
        if ((part.flags & GBOOST_PART_INPUT) == 0) count += chat.special.count(part.text);
    }
    return count;
}

bool has_words_in_answers(const gboost_chat &chat, const gboost_conversation &conversation) {
    for (size_t i = 0; i < conversation.count; i++) {
        const gboost_message &message = conversation.messages[i];
        if (strcmp(message.role, "assistant") != 0) continue;
        for (const char *text : {message.content, message.reasoning}) {
            if (text != nullptr && chat.special.count(text) > 0) return true;
        }
    }
    return false;
}

/* A template may put an assistant's words together anew, so that nobody can tell them from its own: then they are
 * broken as everybody's are. */
std::vector<prompt_part> safely_rendered(
    const gboost_chat &chat, const gboost_conversation &conversation, const std::string &separator) {
    std::vector<prompt_part> parts = rendered(chat, conversation, separator, false);
    if (!has_words_in_answers(chat, conversation)) return parts;
    std::vector<prompt_part> strict = rendered(chat, conversation, separator, true);
    return own_names(chat, parts) > own_names(chat, strict) ? strict : parts;
}

std::string packed(const std::vector<prompt_part> &parts) {
    std::string block;
    for (const auto &part : parts) {
        const uint32_t length = (uint32_t) part.text.size();
        block.push_back(part.flags);
        block.append(reinterpret_cast<const char *>(&length), sizeof length);
        block.append(part.text);
    }
    return block;
}

/* A character that is in none of the conversation's texts: Unicode sets 32 aside for a program's own use. */
std::string unused_character(const gboost_conversation &conversation) {
    for (unsigned char last = 0x90; last <= 0xAF; last++) {
        const std::string candidate = {(char) 0xEF, (char) 0xB7, (char) last};
        const auto holds = [&](const char *text) { return text != nullptr && strstr(text, candidate.c_str()); };
        bool is_used = holds(conversation.tools) || holds(conversation.arguments);
        for (size_t i = 0; i < conversation.count && !is_used; i++) {
            const gboost_message &m = conversation.messages[i];
            is_used = holds(m.content) || holds(m.reasoning) || holds(m.tool_calls) || holds(m.tool_call_id) ||
                      holds(m.name);
        }
        if (!is_used) return candidate;
    }
    throw std::runtime_error("the conversation uses every character that Unicode sets aside");
}

} // namespace

extern "C" gboost_chat *gboost_chat_open(
    const llama_vocab *vocab, const char *source, const char *bos, const char *eos, char *error, size_t error_size) {
    gboost_chat *chat = nullptr;
    guarded(error, error_size, [&] {
        const std::string text = source == nullptr ? chatml : source;
        if (text.size() > max_template_bytes) throw std::runtime_error("it is larger than a megabyte");
        chat = new gboost_chat{
            common_chat_template(
                text, name_of(vocab, vocab == nullptr ? -1 : llama_vocab_bos(vocab), bos),
                name_of(vocab, vocab == nullptr ? -1 : llama_vocab_eos(vocab), eos)),
            vocab != nullptr && llama_vocab_get_add_bos(vocab), special_tokens(vocab, text)};
    });
    return chat;
}

extern "C" void gboost_chat_close(gboost_chat *chat) { delete chat; }

extern "C" int gboost_chat_is_special(const gboost_chat *chat, int32_t token) {
    return chat->special.contains(token) ? 1 : 0;
}

extern "C" int gboost_chat_render(
    const gboost_chat *chat, const gboost_conversation *conversation, char **out, size_t *out_size, char *error,
    size_t error_size) {
    return guarded(error, error_size, [&] {
        hand_over(packed(safely_rendered(*chat, *conversation, unused_character(*conversation))), out, out_size);
    });
}

extern "C" void gboost_free(char *block) { free(block); }

/* exp(x) for x <= 0 without a call, so that the loop vectorises: 2^n times a polynomial, error below 2e-7. */
static inline float fast_exp(float x) {
    x = x < -87.0f ? -87.0f : x;
    const float scaled = x * 1.44269504f;
    const int32_t whole = (int32_t) (scaled - 0.5f);
    const float f = (scaled - (float) whole) * 0.69314718f;
    float p = 1.0f / 720.0f;
    p = p * f + 1.0f / 120.0f;
    p = p * f + 1.0f / 24.0f;
    p = p * f + 1.0f / 6.0f;
    p = p * f + 0.5f;
    p = p * f + 1.0f;
    p = p * f + 1.0f;
    const int32_t bits = (whole + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

extern "C" gboost_logits gboost_logits_scan(const float *logits, int32_t count) {
    gboost_logits result = {-1, -INFINITY, -INFINITY, 1};
    float best = -INFINITY;
    int32_t nans = 0;
    for (int32_t i = 0; i < count; i++) {
        best = logits[i] > best ? logits[i] : best;
        nans += logits[i] != logits[i];
    }
    if (nans > 0 || !(best > -INFINITY) || !(best < INFINITY)) return result;
    double total = 0;
    for (int32_t start = 0; start < count; start += 4096) {
        const int32_t end = start + 4096 < count ? start + 4096 : count;
        float lanes[16] = {0};
        int32_t i = start;
        for (; i + 16 <= end; i += 16) {
            for (int32_t k = 0; k < 16; k++) lanes[k] += fast_exp(logits[i + k] - best);
        }
        for (; i < end; i++) lanes[0] += fast_exp(logits[i] - best);
        for (int32_t k = 0; k < 16; k++) total += lanes[k];
    }
    for (int32_t i = 0; i < count; i++) {
        if (logits[i] == best) {
            result.best = i;
            break;
        }
    }
    result.best_logit = best;
    result.log_sum_exp = best + (float) log(total);
    result.is_bad = 0;
    return result;
}

extern "C" int32_t gboost_logits_sample(
    const float *logits, int32_t count, struct llama_sampler *chain, struct llama_token_data *scratch) {
    for (int32_t i = 0; i < count; i++) scratch[i] = {i, logits[i], 0.0f};
    llama_token_data_array candidates = {scratch, (size_t) count, -1, false};
    llama_sampler_apply(chain, &candidates);
    if (candidates.selected < 0 || (size_t) candidates.selected >= candidates.size) return -1;
    const int32_t token = candidates.data[candidates.selected].id;
    llama_sampler_accept(chain, token);
    return token;
}
