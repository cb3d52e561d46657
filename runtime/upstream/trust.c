#include "upstream/trust.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/must.h"

/* A changed file makes a new entry in front; the old one stays to the end, for handshakes that are
 * under way with it. */
struct trust {
  struct list link;
  struct timespec changed;
  X509_STORE *store;
};

void trusts_init(struct trusts *t) {
  list_init(&t->parsed);
}

void trusts_fini(struct trusts *t) {
  list_each_safe(node, &t->parsed) {
    struct trust *entry = list_entry(node, struct trust, link);
    X509_STORE_free(entry->store);
    free(entry);
  }
}

static X509_STORE *parse(const char *path) {
  X509_STORE *store = X509_STORE_new();
  must(store);
  if (X509_STORE_load_file(store, path) == 1) {
    /* What libcurl sets on its own stores: a listed certificate is trusted even if no root. */
    X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    return store;
  }
  ERR_clear_error();
  X509_STORE_free(store);
  return NULL;
}

static X509_STORE *get(struct trusts *t) {
  struct stat file;
  const char *path = curl_version_info(CURLVERSION_NOW)->cainfo;
  if (!path || stat(path, &file) != 0) return NULL;
  if (!list_empty(&t->parsed)) {
    struct trust *newest = list_entry(t->parsed.next, struct trust, link);
    if (newest->changed.tv_sec == file.st_mtim.tv_sec &&
        newest->changed.tv_nsec == file.st_mtim.tv_nsec)
      return newest->store;
  }
  X509_STORE *store = parse(path);
  if (!store) return NULL;
  struct trust *entry = must_calloc(1, sizeof *entry);
  entry->changed = file.st_mtim;
  entry->store = store;
  list_prepend(&t->parsed, &entry->link);
  return store;
}

void trust_load(struct trusts *t) {
  get(t);
}

static CURLcode on_ssl_context(CURL *easy, void *ssl_context, void *store) {
  (void)easy;
  SSL_CTX_set1_cert_store(ssl_context, store);
  return CURLE_OK;
}

void trust_give(struct trusts *t, CURL *easy) {
  X509_STORE *store = get(t);
  if (!store) return;
  curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_context);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, store);
}
