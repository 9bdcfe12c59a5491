// libcurl's setters and getters are variadic, which Swift cannot call: one typed wrapper per argument shape.
#include <curl/curl.h>
#include <netinet/in.h>

typedef size_t (*ccurl_data_callback)(char *, size_t, size_t, void *);

static inline CURLcode ccurl_set_long(CURL *handle, CURLoption option, long value) { return curl_easy_setopt(handle, option, value); }
static inline CURLcode ccurl_set_offset(CURL *handle, CURLoption option, curl_off_t value) { return curl_easy_setopt(handle, option, value); }
static inline CURLcode ccurl_set_string(CURL *handle, CURLoption option, const char *value) { return curl_easy_setopt(handle, option, value); }
static inline CURLcode ccurl_set_pointer(CURL *handle, CURLoption option, void *value) { return curl_easy_setopt(handle, option, value); }
static inline CURLcode ccurl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) { return curl_easy_setopt(handle, option, value); }
static inline CURLcode ccurl_set_data_callback(CURL *handle, CURLoption option, ccurl_data_callback value) { return curl_easy_setopt(handle, option, value); }
static inline CURLcode ccurl_set_open_socket(CURL *handle, curl_opensocket_callback value) { return curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, value); }
static inline CURLcode ccurl_set_before_request(CURL *handle, curl_prereq_callback value) { return curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, value); }
static inline CURLcode ccurl_get_long(CURL *handle, CURLINFO info, long *value) { return curl_easy_getinfo(handle, info, value); }
static inline CURLcode ccurl_get_pointer(CURL *handle, CURLINFO info, void **value) { return curl_easy_getinfo(handle, info, value); }
static inline CURLMcode ccurl_multi_set_long(CURLM *multi, CURLMoption option, long value) { return curl_multi_setopt(multi, option, value); }
static inline CURLcode ccurl_message_result(const CURLMsg *message) { return message->data.result; }

// Casts that Swift does not import.
static inline size_t ccurl_write_pause(void) { return CURL_WRITEFUNC_PAUSE; }
static inline size_t ccurl_read_pause(void) { return CURL_READFUNC_PAUSE; }
static inline size_t ccurl_read_abort(void) { return CURL_READFUNC_ABORT; }
static inline curl_socket_t ccurl_bad_socket(void) { return CURL_SOCKET_BAD; }

// The address bytes of an IPv4 or IPv6 socket address, NULL for other families.
static inline const unsigned char *ccurl_address_bytes(const struct curl_sockaddr *address, int *count) {
  if (address->family == AF_INET) {
    *count = 4;
    return (const unsigned char *)&((const struct sockaddr_in *)(const void *)&address->addr)->sin_addr;
  }
  if (address->family == AF_INET6) {
    *count = 16;
    return (const unsigned char *)&((const struct sockaddr_in6 *)(const void *)&address->addr)->sin6_addr;
  }
  *count = 0;
  return NULL;
}
