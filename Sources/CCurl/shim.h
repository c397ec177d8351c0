#include <curl/curl.h>

// Swift can't call variadic C functions: one typed function for each kind of argument.

static inline CURLcode curl_shim_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_shim_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_shim_set_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_shim_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_shim_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(handle, option, value);
}

typedef curl_socket_t (*curl_shim_socket_callback)(void *context, curlsocktype purpose, struct curl_sockaddr *address);

static inline CURLcode curl_shim_set_socket_callback(CURL *handle, CURLoption option, curl_shim_socket_callback callback) {
    return curl_easy_setopt(handle, option, callback);
}

typedef size_t (*curl_shim_data_callback)(char *buffer, size_t size, size_t count, void *context);

static inline CURLcode curl_shim_set_callback(CURL *handle, CURLoption option, curl_shim_data_callback callback) {
    return curl_easy_setopt(handle, option, callback);
}

static inline CURLcode curl_shim_get_offset(CURL *handle, CURLINFO info, curl_off_t *value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLMcode curl_shim_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

// A union in C: the result is only valid where msg is CURLMSG_DONE.
static inline CURLcode curl_shim_message_result(const CURLMsg *message) {
    return message->data.result;
}

enum {
    CURL_SHIM_WRITE_PAUSE = CURL_WRITEFUNC_PAUSE,
    CURL_SHIM_READ_PAUSE = CURL_READFUNC_PAUSE,
    CURL_SHIM_READ_ABORT = CURL_READFUNC_ABORT,
    CURL_SHIM_PAUSE_RECV = CURLPAUSE_RECV,
    CURL_SHIM_PAUSE_SEND = CURLPAUSE_SEND,
    CURL_SHIM_CONTINUE = CURLPAUSE_CONT,
};

static const curl_socket_t CURL_SHIM_SOCKET_BAD = CURL_SOCKET_BAD;

// The length that libcurl gives is that of the system's address, which may be longer than the struct's member.
static inline const void *curl_shim_address(const struct curl_sockaddr *address) {
    return &address->addr;
}

static inline CURLcode curl_shim_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}
