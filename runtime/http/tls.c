#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/server.h"

/* TLS between conn and queue. OpenSSL reads from the bytes that the loop just received and writes
 * into one buffer of the server, which leaves in one write when the call is over. */

struct tls {
  SSL *ssl;
  struct slice input; /* received, not yet decrypted */
  struct bytes held;  /* owns input between two reads */
};

static int on_bio_read(BIO *bio, char *out, int size) {
  struct tls *t = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (t->input.len == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  size_t count = t->input.len < (size_t)size ? t->input.len : (size_t)size;
  memcpy(out, t->input.data, count);
  t->input = slice_skip(t->input, count);
  return (int)count;
}

static int on_bio_write(BIO *bio, const char *data, int size) {
  struct conn *c = BIO_get_app_data(bio);
  bytes_append(&c->server->cipher, data, (size_t)size);
  return size;
}

static long on_bio_ctrl(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

static int on_bio_create(BIO *bio) {
  BIO_set_init(bio, 1);
  return 1;
}

static BIO_METHOD *bio_method;

static void make_bio_method(void) {
  bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");
  must(bio_method);
  BIO_meth_set_read(bio_method, on_bio_read);
  BIO_meth_set_write(bio_method, on_bio_write);
  BIO_meth_set_ctrl(bio_method, on_bio_ctrl);
  BIO_meth_set_create(bio_method, on_bio_create);
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *offered, unsigned int offered_len, void *unused) {
  static const unsigned char ours[] = "\x08http/1.1";
  unsigned char *chosen;
  (void)ssl, (void)unused;
  int found = SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, offered, offered_len);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

struct wrong {
  const char *key, *file, *what; /* of the configuration, its file, what it should be */
};

static SSL_CTX *fail(SSL_CTX *context, struct wrong wrong, char *error, size_t error_bytes) {
  const char *why = ERR_reason_error_string(ERR_peek_last_error());
  snprintf(error, error_bytes, "%s: %s is no %s (%s)", wrong.key, wrong.file, wrong.what,
           why ? why : "unknown error");
  ERR_clear_error();
  SSL_CTX_free(context);
  return NULL;
}

SSL_CTX *tls_context_new(const struct config *config, char *error, size_t error_bytes) {
  SSL_CTX *x = SSL_CTX_new(TLS_server_method());
  must(x);
  SSL_CTX_set_min_proto_version(x, TLS1_2_VERSION);
  SSL_CTX_set_options(x, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  must(SSL_CTX_set_cipher_list(x, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1);
  SSL_CTX_set_mode(x, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  /* No resumption: clients of a gateway keep their connections, and no ticket key can leak. */
  SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(x, 0);
  SSL_CTX_set_alpn_select_cb(x, on_alpn, NULL);
  struct wrong certificate = {"tls.certificate", config->tls.certificate,
                              "certificate in PEM with its chain behind it"};
  struct wrong key = {"tls.key", config->tls.key ? config->tls.key : "nothing",
                      "private key in PEM that belongs to the certificate"};
  if (SSL_CTX_use_certificate_chain_file(x, certificate.file) != 1)
    return fail(x, certificate, error, error_bytes);
  if (!config->tls.key || SSL_CTX_use_PrivateKey_file(x, key.file, SSL_FILETYPE_PEM) != 1)
    return fail(x, key, error, error_bytes);
  return x;
}

bool http_tls_check(const struct config *config, char *error, size_t error_bytes) {
  if (!config->tls.certificate) return true;
  SSL_CTX *x = tls_context_new(config, error, error_bytes);
  SSL_CTX_free(x);
  return x != NULL;
}

int64_t http_tls_ends_ms(const struct config *config) {
  FILE *file = config->tls.certificate ? fopen(config->tls.certificate, "re") : NULL;
  X509 *first = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
  struct tm time = {0};
  bool is_known = first && ASN1_TIME_to_tm(X509_get0_notAfter(first), &time) == 1;
  X509_free(first);
  if (file) fclose(file);
  ERR_clear_error();
  return is_known ? (int64_t)timegm(&time) * 1000 : INT64_MAX;
}

static void flush(struct conn *c) {
  struct bytes *out = &c->server->cipher;
  struct slice part = bytes_slice(out);
  if (out->len) queue_raw(c, &part, 1);
  bytes_clear(out);
  if (out->cap > READ_BYTES) bytes_fini(out);
}

void tls_start(struct conn *c) {
  struct http_server *server = c->server;
  if (!server->plain) server->plain = must_alloc(PLAIN_BYTES);
  if (!server->tls) {
    conn_break(c, "tls");
    return;
  }
  static uv_once_t once = UV_ONCE_INIT;
  uv_once(&once, make_bio_method);
  struct tls *t = c->tls = must_calloc(1, sizeof *t);
  BIO *bio = BIO_new(bio_method);
  t->ssl = SSL_new(server->tls);
  must(bio && t->ssl);
  BIO_set_data(bio, t);
  BIO_set_app_data(bio, c);
  SSL_set_bio(t->ssl, bio, bio);
  SSL_set_accept_state(t->ssl);
}

void tls_stop(struct conn *c) {
  struct tls *t = c->tls;
  SSL_free(t->ssl);
  bytes_fini(&t->held);
  free(t);
  c->tls = NULL;
}

void tls_input(struct conn *c, struct slice data) {
  struct tls *t = c->tls;
  if (t->input.len) {
    bytes_append_slice(&t->held, data);
    t->input = bytes_slice(&t->held);
  } else {
    t->input = data;
  }
}

void tls_hold(struct conn *c) {
  struct tls *t = c->tls;
  if (t->input.len == 0) {
    bytes_fini(&t->held);
    return;
  }
  struct bytes rest = {0};
  bytes_append_slice(&rest, t->input);
  bytes_fini(&t->held);
  t->held = rest;
  t->input = bytes_slice(&t->held);
}

static bool shake_hands(struct conn *c) {
  int done = SSL_accept(c->tls->ssl);
  int error = done == 1 ? SSL_ERROR_NONE : SSL_get_error(c->tls->ssl, done);
  ERR_clear_error();
  flush(c);
  if (done == 1)
    conn_set_phase(c, CONN_IDLE, conn_now(c) + c->config->client.header_ms);
  else if (error != SSL_ERROR_WANT_READ)
    conn_break(c, "tls");
  return done == 1;
}

bool tls_read(struct conn *c) {
  struct tls *t = c->tls;
  if (c->phase == CONN_HANDSHAKE) return shake_hands(c);
  int count = SSL_read(t->ssl, c->server->plain, PLAIN_BYTES);
  int error = count > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, count);
  ERR_clear_error();
  flush(c);
  if (count > 0)
    conn_bytes(c, (struct slice){c->server->plain, (size_t)count});
  else if (error == SSL_ERROR_ZERO_RETURN)
    conn_eof(c);
  else if (error != SSL_ERROR_WANT_READ)
    conn_break(c, "tls");
  return count > 0;
}

void tls_send(struct conn *c, const struct slice *parts, unsigned count) {
  struct bytes *record = &c->server->record;
  for (unsigned i = 0; i < count; i++)
    bytes_append_slice(record, parts[i]);
  if (record->len && SSL_write(c->tls->ssl, record->data, (int)record->len) <= 0) {
    ERR_clear_error();
    conn_break(c, "tls");
  }
  bytes_clear(record);
  if (record->cap > READ_BYTES) bytes_fini(record);
  flush(c);
}

bool tls_has_input(const struct conn *c) {
  return c->tls && c->tls->input.len;
}

void tls_bye(struct conn *c) {
  SSL_shutdown(c->tls->ssl);
  ERR_clear_error();
  flush(c);
}
