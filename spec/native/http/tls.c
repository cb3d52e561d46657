/* TLS: handshake rules, requests cut at any byte of the records, back pressure, and a new
 * certificate while connections are open. */
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "kit.h"

struct files {
  char certificate[64], key[64];
};

static void write_certificate(const struct files *f, const char *name) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *x = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), 0);
  X509_gmtime_adj(X509_getm_notAfter(x), 3600);
  X509_set_pubkey(x, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                             (const unsigned char *)name, -1, -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(x));
  must(X509_sign(x, key, EVP_sha256()) > 0);
  FILE *out = fopen(f->certificate, "w");
  must(out && PEM_write_X509(out, x) == 1 && fclose(out) == 0);
  out = fopen(f->key, "w");
  must(out && PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(out) == 0);
  X509_free(x);
  EVP_PKEY_free(key);
}

struct client {
  struct kit *kit;
  int fd;
  SSL_CTX *context;
  SSL *ssl;
};

static bool wait_for(struct client *c, int result) {
  int error = SSL_get_error(c->ssl, result);
  kit_turn(c->kit);
  usleep(20);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static bool client_start(struct client *c, struct kit *kit, const char *alpn, int max_version) {
  int done;
  c->kit = kit;
  c->fd = client_open(kit);
  c->context = SSL_CTX_new(TLS_client_method());
  if (max_version) SSL_CTX_set_max_proto_version(c->context, max_version);
  SSL_CTX_set_security_level(c->context, 0);
  c->ssl = SSL_new(c->context);
  SSL_set_fd(c->ssl, c->fd);
  if (alpn) SSL_set_alpn_protos(c->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
  SSL_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
  do
    done = SSL_connect(c->ssl);
  while (done != 1 && wait_for(c, done));
  return done == 1;
}

static void client_stop(struct client *c) {
  SSL_free(c->ssl);
  SSL_CTX_free(c->context);
  close(c->fd);
}

static void tell(struct client *c, struct slice data) {
  while (data.len) {
    int sent = SSL_write(c->ssl, data.data, (int)data.len);
    if (sent > 0)
      data = slice_skip(data, (size_t)sent);
    else if (!wait_for(c, sent))
      return;
  }
  kit_turn(c->kit);
}

/* Reads until the text has come, or with NULL until the server says goodbye. */
static bool hear(struct client *c, struct bytes *in, const char *text) {
  uint64_t until_ns = clock_mono_ns() + 10000000000u;
  while (clock_mono_ns() < until_ns) {
    if (text && in->len && strstr(bytes_text(in), text)) return true;
    int count = SSL_read(c->ssl, bytes_reserve(in, 16384), 16384);
    if (count > 0)
      in->len += (size_t)count;
    else if (!wait_for(c, count))
      return !text && SSL_get_error(c->ssl, count) == SSL_ERROR_ZERO_RETURN;
  }
  return false;
}

static const char *peer_name(struct client *c, char name[64]) {
  X509 *x = SSL_get1_peer_certificate(c->ssl);
  X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name, 64);
  X509_free(x);
  return name;
}

static void test_requests(struct kit *kit, int version) {
  struct client c;
  struct bytes in = {0};
  const char *text = "POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  CHECK(client_start(&c, kit, "\x08http/1.1", version));
  for (const char *at = text; *at; at++)
    tell(&c, (struct slice){at, 1});
  CHECK(hear(&c, &in, "/t|abc"));
  tell(&c, SLICE("GET /two HTTP/1.1\r\nHost: x\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n"
                 "Connection: close\r\n\r\n"));
  CHECK(hear(&c, &in, NULL));
  CHECK(strstr(bytes_text(&in), "3\r\ntwo\r\n0\r\n\r\nHTTP/1.1 200") && strstr(in.data, "/a|"));
  client_stop(&c);
  bytes_fini(&in);
}

static void test_handshake_rules(struct kit *kit) {
  struct client c;
  CHECK(!client_start(&c, kit, NULL, TLS1_1_VERSION));
  client_stop(&c);
  CHECK(!client_start(&c, kit, "\x02h2", 0));
  client_stop(&c);
  CHECK(client_start(&c, kit, "\x02h2\x08http/1.1", 0));
  client_stop(&c);
  CHECK(client_start(&c, kit, NULL, TLS1_2_VERSION));
  SSL_renegotiate(c.ssl);
  struct bytes in = {0};
  SSL_do_handshake(c.ssl);
  CHECK(!hear(&c, &in, "never"));
  client_stop(&c);
  int fd = client_open(kit);
  client_send(kit, fd, SLICE("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  client_read_all(kit, fd, &in);
  CHECK(in.len == 0 || in.data[0] != 'H');
  close(fd);
  bytes_fini(&in);
}

static void test_handshake_deadline(struct kit *kit) {
  struct bytes in = {0};
  int fd = client_open(kit);
  uint64_t start = clock_mono_ns();
  CHECK(client_read_all(kit, fd, &in) && in.len == 0);
  CHECK(clock_mono_ns() - start > 250000000u && clock_mono_ns() - start < 700000000u);
  close(fd);
  bytes_fini(&in);
}

static void test_big(struct kit *kit) {
  struct client c;
  struct bytes in = {0}, out = {0};
  CHECK(client_start(&c, kit, NULL, 0));
  bytes_append_text(&out, "POST /resume HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n");
  memset(bytes_reserve(&out, 500000), 'b', 500000);
  out.len += 500000;
  bytes_append_text(&out, "GET /flood HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  tell(&c, bytes_slice(&out));
  CHECK(hear(&c, &in, NULL));
  CHECK(in.len > FLOOD_BYTES + 500000);
  CHECK(kit->cut == 0);
  client_stop(&c);
  bytes_fini(&in);
  bytes_fini(&out);
}

static void test_client_leaves(struct kit *kit) {
  struct client c;
  struct bytes in = {0};
  unsigned cut = kit->cut;
  CHECK(client_start(&c, kit, NULL, 0));
  tell(&c, SLICE("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"));
  SSL_shutdown(c.ssl);
  uint64_t start = clock_mono_ns();
  client_stop(&c);
  KIT_UNTIL(kit, 1000, kit->cut > cut);
  CHECK(kit->cut == cut + 1 && clock_mono_ns() - start < 200000000u);
  bytes_fini(&in);
}

static void test_reload(struct kit *kit, const struct files *f) {
  struct client before, after;
  struct bytes in = {0};
  char name[64], error[256];
  static struct config next;
  next = kit->config;
  ref_init(&next.refs);
  CHECK(client_start(&before, kit, NULL, 0));
  CHECK(strcmp(peer_name(&before, name), "first") == 0);
  write_certificate(f, "second");
  CHECK(http_tls_check(&next, error, sizeof error));
  http_server_reload(kit->server, &next);
  CHECK(client_start(&after, kit, NULL, 0));
  CHECK(strcmp(peer_name(&after, name), "second") == 0);
  tell(&before, SLICE("GET /b HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(hear(&before, &in, "/b|"));
  next.tls.key = "/nonexistent";
  CHECK(!http_tls_check(&next, error, sizeof error) && strstr(error, "/nonexistent"));
  next.tls.key = f->key;
  client_stop(&before);
  client_stop(&after);
  bytes_fini(&in);
  http_server_reload(kit->server, &kit->config);
}

int main(void) {
  static struct kit kit;
  struct files f;
  snprintf(f.certificate, sizeof f.certificate, "/tmp/http-tls-%d.crt", (int)getpid());
  snprintf(f.key, sizeof f.key, "/tmp/http-tls-%d.key", (int)getpid());
  write_certificate(&f, "first");
  kit_config(&kit.config);
  kit.config.client.tls_handshake_ms = 300;
  kit.config.tls.certificate = f.certificate;
  kit.config.tls.key = f.key;
  kit_start(&kit, true, NULL);
  test_requests(&kit, 0);
  test_requests(&kit, TLS1_2_VERSION);
  test_handshake_rules(&kit);
  test_handshake_deadline(&kit);
  test_big(&kit);
  test_client_leaves(&kit);
  test_reload(&kit, &f);
  kit_stop(&kit);
  unlink(f.certificate);
  unlink(f.key);
  return checks_end();
}
