#include "mock/tls.h"

#include <openssl/err.h>
#include <stdlib.h>

struct tls_session {
  SSL *ssl;
  BIO *in, *out; /* owned by ssl */
};

static void explain(struct bytes *problem, const char *what) {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  bytes_printf(problem, "cannot use %s: %s", what, text);
  ERR_clear_error();
}

SSL_CTX *tls_server_context(const char *certificate, const char *key, struct bytes *problem) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  must(context);
  const char *bad = NULL;
  if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) {
    bad = certificate;
  } else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
    bad = key;
  }
  if (!bad) return context;
  explain(problem, bad);
  SSL_CTX_free(context);
  return NULL;
}

void tls_make_old(SSL_CTX *context) {
  must(SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0") == 1); /* else it would not start */
  must(SSL_CTX_set_min_proto_version(context, TLS1_VERSION) == 1);
  must(SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION) == 1);
}

struct tls_session *tls_session_new(SSL_CTX *context) {
  struct tls_session *session = must_calloc(1, sizeof *session);
  session->ssl = SSL_new(context);
  session->in = BIO_new(BIO_s_mem());
  session->out = BIO_new(BIO_s_mem());
  must(session->ssl && session->in && session->out);
  SSL_set_bio(session->ssl, session->in, session->out);
  SSL_set_accept_state(session->ssl);
  return session;
}

void tls_session_free(struct tls_session *session) {
  if (!session) return;
  SSL_free(session->ssl);
  free(session);
}

static void collect(struct tls_session *session, struct bytes *cipher) {
  char *data = NULL;
  long len = BIO_get_mem_data(session->out, &data);
  if (len > 0) bytes_append(cipher, data, (size_t)len);
  (void)BIO_reset(session->out);
}

bool tls_session_feed(struct tls_session *session, struct slice from_socket, struct bytes *plain,
                      struct bytes *cipher) {
  must(BIO_write(session->in, from_socket.data, (int)from_socket.len) == (int)from_socket.len);
  int got;
  do {
    got = SSL_read(session->ssl, bytes_reserve(plain, 16384), 16384);
    if (got > 0) plain->len += (size_t)got;
  } while (got > 0);
  int error = SSL_get_error(session->ssl, got);
  collect(session, cipher);
  ERR_clear_error();
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN;
}

bool tls_session_write(struct tls_session *session, struct slice plain, struct bytes *cipher) {
  int sent = SSL_write(session->ssl, plain.data, (int)plain.len);
  collect(session, cipher);
  ERR_clear_error();
  return sent == (int)plain.len;
}

void tls_session_shutdown(struct tls_session *session, struct bytes *cipher) {
  SSL_shutdown(session->ssl);
  collect(session, cipher);
  ERR_clear_error();
}
