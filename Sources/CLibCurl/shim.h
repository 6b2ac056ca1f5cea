#ifndef CLIBCURL_SHIM_H
#define CLIBCURL_SHIM_H
#include <curl/curl.h>
// curl_easy_setopt & friends are variadic: Swift cannot import them, so one typed shim per argument kind.
typedef size_t (*clibcurl_write_cb)(char *data, size_t size, size_t count, void *context);
typedef int (*clibcurl_socket_cb)(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context);
typedef int (*clibcurl_timer_cb)(CURLM *multi, long timeout_ms, void *context);
typedef int (*clibcurl_close_cb)(void *context, curl_socket_t fd);
static inline CURLcode clibcurl_set_long(CURL *h, CURLoption o, long v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode clibcurl_set_off(CURL *h, CURLoption o, curl_off_t v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode clibcurl_set_string(CURL *h, CURLoption o, const char *v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode clibcurl_set_pointer(CURL *h, CURLoption o, const void *v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode clibcurl_set_write(CURL *h, clibcurl_write_cb f) { return curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, f); }
static inline CURLcode clibcurl_set_close(CURL *h, clibcurl_close_cb f) { return curl_easy_setopt(h, CURLOPT_CLOSESOCKETFUNCTION, f); }
static inline CURLMcode clibcurl_multi_set_long(CURLM *m, CURLMoption o, long v) { return curl_multi_setopt(m, o, v); }
static inline CURLMcode clibcurl_multi_set_pointer(CURLM *m, CURLMoption o, void *v) { return curl_multi_setopt(m, o, v); }
static inline CURLMcode clibcurl_multi_set_socket(CURLM *m, clibcurl_socket_cb f) { return curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, f); }
static inline CURLMcode clibcurl_multi_set_timer(CURLM *m, clibcurl_timer_cb f) { return curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, f); }
static inline long clibcurl_status(CURL *h) { long v = 0; curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &v); return v; }
static inline void *clibcurl_private(CURL *h) { void *v = 0; curl_easy_getinfo(h, CURLINFO_PRIVATE, &v); return v; }
static inline CURLcode clibcurl_message_result(CURLMsg *m) { return m->data.result; }
#endif
