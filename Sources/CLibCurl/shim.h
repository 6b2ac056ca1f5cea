#ifndef CLIBCURL_SHIM_H
#define CLIBCURL_SHIM_H
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdint.h>
// curl_easy_setopt & friends are variadic: Swift cannot import them, so one typed shim per argument kind.
typedef size_t (*clibcurl_write_cb)(char *data, size_t size, size_t count, void *context);
typedef int (*clibcurl_socket_cb)(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context);
typedef int (*clibcurl_timer_cb)(CURLM *multi, long timeout_ms, void *context);
typedef int (*clibcurl_close_cb)(void *context, curl_socket_t fd);
typedef curl_socket_t (*clibcurl_open_cb)(void *context, curlsocktype purpose, struct curl_sockaddr *address);
typedef int (*clibcurl_prereq_cb)(void *context, char *primary_ip, char *local_ip, int primary_port, int local_port);
static inline CURLcode clibcurl_set_long(CURL *h, CURLoption o, long v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode clibcurl_set_off(CURL *h, CURLoption o, curl_off_t v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode clibcurl_set_string(CURL *h, CURLoption o, const char *v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode clibcurl_set_pointer(CURL *h, CURLoption o, const void *v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode clibcurl_set_write(CURL *h, clibcurl_write_cb f) { return curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, f); }
static inline CURLcode clibcurl_set_header(CURL *h, clibcurl_write_cb f) { return curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, f); }
static inline CURLcode clibcurl_set_read(CURL *h, clibcurl_write_cb f) { return curl_easy_setopt(h, CURLOPT_READFUNCTION, f); }
static inline CURLcode clibcurl_set_open(CURL *h, clibcurl_open_cb f) { return curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, f); }
static inline CURLcode clibcurl_set_close(CURL *h, clibcurl_close_cb f) { return curl_easy_setopt(h, CURLOPT_CLOSESOCKETFUNCTION, f); }
static inline CURLcode clibcurl_set_prereq(CURL *h, clibcurl_prereq_cb f) { return curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, f); }
static inline CURLMcode clibcurl_multi_set_long(CURLM *m, CURLMoption o, long v) { return curl_multi_setopt(m, o, v); }
static inline CURLMcode clibcurl_multi_set_pointer(CURLM *m, CURLMoption o, void *v) { return curl_multi_setopt(m, o, v); }
static inline CURLMcode clibcurl_multi_set_socket(CURLM *m, clibcurl_socket_cb f) { return curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, f); }
static inline CURLMcode clibcurl_multi_set_timer(CURLM *m, clibcurl_timer_cb f) { return curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, f); }
static inline void *clibcurl_private(CURL *h) { void *v = 0; curl_easy_getinfo(h, CURLINFO_PRIVATE, &v); return v; }
static inline long clibcurl_response_code(CURL *h) { long v = 0; curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &v); return v; }
static inline CURLcode clibcurl_message_result(CURLMsg *m) { return m->data.result; }
// OpenSSL's exit handler would free what the curl thread still uses while the process exits: keep it from being
// installed. Looked up at run time, since libcurl brings libcrypto and its headers need not be there.
static inline void clibcurl_keep_openssl_until_exit(void) {
    int (*init)(uint64_t, const void *) = (int (*)(uint64_t, const void *))dlsym(0, "OPENSSL_init_crypto");
    if (init) init(0x00080000 /* OPENSSL_INIT_NO_ATEXIT */, 0);
}
#endif
