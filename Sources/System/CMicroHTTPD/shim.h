// Swift cannot call variadic C: these give MHD_start_daemon and MHD_get_connection_info fixed shapes. epoll comes along, which Glibc lacks.
#include <microhttpd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

typedef void *(*cmhd_target_callback)(void *context, const char *target, struct MHD_Connection *connection);

// The target stays as it came: we decode it ourselves, so that an escaped slash cannot become a separator unseen.
static inline size_t cmhd_keep_escapes(void *context, struct MHD_Connection *connection, char *text) {
    (void)context;
    (void)connection;
    return strlen(text);
}

struct cmhd_options {
    int listen_socket;
    unsigned int threads;
    unsigned int connections;
    unsigned int connections_per_address;
    size_t memory_per_connection;
    unsigned int idle_seconds;
    MHD_AccessHandlerCallback access;
    cmhd_target_callback target;
    MHD_RequestCompletedCallback completed;
    MHD_NotifyConnectionCallback connection;
    void *context;
};

static inline struct MHD_Daemon *cmhd_start(const struct cmhd_options *o) {
    unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    // A pool of one thread is refused by the library: the option ends the list instead.
    return MHD_start_daemon(
        flags, 0, NULL, NULL, o->access, o->context, MHD_OPTION_LISTEN_SOCKET, o->listen_socket,
        MHD_OPTION_CONNECTION_LIMIT, o->connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, o->connections_per_address, MHD_OPTION_CONNECTION_MEMORY_LIMIT, o->memory_per_connection,
        MHD_OPTION_CONNECTION_TIMEOUT, o->idle_seconds, MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_UNESCAPE_CALLBACK, cmhd_keep_escapes, NULL, MHD_OPTION_URI_LOG_CALLBACK, o->target, o->context,
        MHD_OPTION_NOTIFY_COMPLETED, o->completed, o->context, MHD_OPTION_NOTIFY_CONNECTION, o->connection, o->context,
        o->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, o->threads, MHD_OPTION_END);
}

static inline int cmhd_socket(struct MHD_Connection *c) {
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    return i ? i->connect_fd : -1;
}

static inline void *cmhd_socket_context(struct MHD_Connection *c) {
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return i ? i->socket_context : NULL;
}

static inline const struct sockaddr *cmhd_peer(struct MHD_Connection *c) {
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return i ? i->client_addr : NULL;
}

static inline size_t cmhd_header_size(struct MHD_Connection *c) {
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return i ? i->header_size : 0;
}
