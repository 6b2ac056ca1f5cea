#include "gboost_chat.h"

#include "chat.h"
#include "jinja/parser.h"
#include "jinja/runtime.h"
#include "jinja/value.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

struct gboost_chat {
    common_chat_template tmpl;
    bool strip_bos;
    bool is_own;
};

namespace {

const char *const chatml =
    "{%- for message in messages -%}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}";

void report(char *error, size_t size, const char *text) {
    if (error != nullptr && size > 0) snprintf(error, size, "%s", text);
}

std::string piece(const llama_vocab *vocab, llama_token token) {
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

/* Templates of the Llama 3 family write the date into their header. */
std::string today(const char *format) {
    const std::time_t now = std::time(nullptr);
    std::tm local = {};
    localtime_r(&now, &local);
    char text[64] = {0};
    return std::string(text, std::strftime(text, sizeof text, format, &local));
}

/* A template without a system role gets the system text in front of the next message, as llama.cpp does it. */
common_json messages_json(
    const jinja::caps &caps, const char *const *roles, const char *const *contents, size_t count) {
    common_json messages = common_json::array();
    const bool typed = !caps.supports_string_content && caps.supports_typed_content;
    std::string carried;
    for (size_t i = 0; i < count; i++) {
        std::string role = roles[i], content = contents[i];
        if (role == "developer") role = "system";
        if (role == "system" && !caps.supports_system_role) {
            if (i + 1 < count) {
                carried += content + "\n";
                continue;
            }
            role = "user";
        }
        if (!carried.empty()) {
            content = carried + content;
            carried.clear();
        }
        common_json message = common_json::object();
        message["role"] = role;
        if (typed) {
            common_json part = common_json::object();
            part["type"] = "text";
            part["text"] = content;
            common_json parts = common_json::array();
            parts.push_back(std::move(part));
            message["content"] = std::move(parts);
        } else {
            message["content"] = content;
        }
        messages.push_back(std::move(message));
    }
    return messages;
}

/* Only what users wrote is input: roles and the template's own tokens stay what the template made them. */
void mark_contents(const jinja::value &value, bool inside) {
    if (jinja::is_val<jinja::value_string>(value)) {
        if (inside) value->val_str.mark_input();
    } else if (jinja::is_val<jinja::value_array>(value)) {
        for (const auto &item : value->as_array()) mark_contents(item, inside);
    } else if (jinja::is_val<jinja::value_object>(value)) {
        for (const auto &pair : value->as_ordered_object()) {
            const std::string key = pair.first->as_string().str();
            if (key == "content" || (inside && key == "text")) mark_contents(pair.second, true);
        }
    }
}

} // namespace

extern "C" gboost_chat *gboost_chat_open(const struct llama_model *model, char *error, size_t error_size) {
    try {
        const llama_vocab *vocab = llama_model_get_vocab(model);
        const char *source = llama_model_chat_template(model, nullptr);
        const bool is_own = source != nullptr && *source != '\0';
        return new gboost_chat{
            common_chat_template(
                is_own ? source : chatml, piece(vocab, llama_vocab_bos(vocab)), piece(vocab, llama_vocab_eos(vocab))),
            llama_vocab_get_add_bos(vocab), is_own};
    } catch (const std::exception &e) {
        report(error, error_size, e.what());
    } catch (...) {
        report(error, error_size, "unknown failure");
    }
    return nullptr;
}

extern "C" void gboost_chat_close(gboost_chat *chat) { delete chat; }

extern "C" int gboost_chat_is_own(const gboost_chat *chat) { return chat->is_own ? 1 : 0; }

extern "C" int gboost_chat_render(
    const gboost_chat *chat, const char *const *roles, const char *const *contents, size_t count, char **out,
    size_t *out_size, char *error, size_t error_size) {
    try {
        jinja::context context(chat->tmpl.source());
        common_json globals = common_json::object();
        globals["messages"] = messages_json(chat->tmpl.original_caps(), roles, contents, count);
        globals["bos_token"] = chat->tmpl.bos_token();
        globals["eos_token"] = chat->tmpl.eos_token();
        globals["enable_thinking"] = false;
        globals["add_generation_prompt"] = true;
        globals["datetime"] = today("%b %d %Y");
        globals["date_string"] = today("%d %b %Y");
        jinja::global_from_json(context, globals, false);
        mark_contents(context.get_val("messages"), false);
        jinja::runtime runtime(context);
        const jinja::value result = runtime.execute(chat->tmpl.prog);
        const auto text = jinja::runtime::gather_string_parts(result);

        std::string block;
        bool first = true;
        for (const auto &part : text->val_str.parts) {
            std::string value = part.val;
            const std::string bos = chat->tmpl.bos_token();
            if (first && chat->strip_bos && !part.is_input && !bos.empty() && value.compare(0, bos.size(), bos) == 0) {
                value.erase(0, bos.size());
            }
            first = false;
            const uint32_t length = (uint32_t) value.size();
            block.push_back(part.is_input ? 1 : 0);
            block.append(reinterpret_cast<const char *>(&length), sizeof length);
            block.append(value);
        }
        *out = static_cast<char *>(malloc(block.size() + 1));
        if (*out == nullptr) throw std::bad_alloc();
        memcpy(*out, block.data(), block.size());
        *out_size = block.size();
        return 0;
    } catch (const std::exception &e) {
        report(error, error_size, e.what());
    } catch (...) {
        report(error, error_size, "unknown failure");
    }
    return -1;
}

extern "C" void gboost_chat_free(char *block) { free(block); }

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
