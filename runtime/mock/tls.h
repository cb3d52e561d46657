/* TLS between two buffers, so that the mock keeps its own hands on the socket. */
#pragma once
#include <openssl/ssl.h>

#include "base/bytes.h"

struct tls_session;

/* NULL with a sentence in *problem. Files are PEM. */
SSL_CTX *tls_server_context(const char *certificate, const char *key, struct bytes *problem);
/* TLS 1.0 and 1.1 alone, which clients must refuse (RFC 8996). */
void tls_make_old(SSL_CTX *context);
struct tls_session *tls_session_new(SSL_CTX *context);
void tls_session_free(struct tls_session *session);
/* Takes bytes from the socket; appends what they decrypt to, and what must be answered. False: the
 * session is broken (cipher may still hold an alert). */
bool tls_session_feed(struct tls_session *session, struct slice from_socket, struct bytes *plain,
                      struct bytes *cipher);
bool tls_session_write(struct tls_session *session, struct slice plain, struct bytes *cipher);
void tls_session_shutdown(struct tls_session *session, struct bytes *cipher); /* close_notify */
