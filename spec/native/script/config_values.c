/* Providers, addresses, paths and keys that cannot be meant, and where they stand. */
#include "config_kit.h"

#define SHARED(line)                                                                               \
  line ": shared: names counters that replicas share, which this version does not speak; remove "  \
       "it, and give each replica its share of the limits"

#define URL "; write https://host/path, and the key as credential"

static void check_url(int line, const char *url, const char *wanted) {
  char text[256], problem[256];
  snprintf(text, sizeof text, "return { providers = { p = { adapter = 'a',\n base_url = '%s' } } }",
           url);
  snprintf(problem, sizeof problem, "2: providers.p.base_url: %s" URL, wanted);
  check_refused(line, text, (const char *const[]){problem, NULL});
}

#define BAD_URL(url, wanted) check_url(__LINE__, url, wanted)

static void test_urls(void) {
  BAD_URL("ftp://h/", "does not begin with http:// or https://");
  BAD_URL("api.openai.com", "does not begin with http:// or https://");
  BAD_URL("https://key@h/v1", "has a user in it");
  BAD_URL("https://h/v1?a=b", "has a query");
  BAD_URL("https://h/v1#x", "has a fragment");
  BAD_URL("https:///v1", "has no proper host and port");
  BAD_URL("https://h:0/", "has no proper host and port");
  BAD_URL("https://h:70000/", "has no proper host and port");
  BAD_URL("https://h:/", "has no proper host and port");
  BAD_URL("https://[::1/", "has no proper host and port");
  BAD_URL("https://[::1]x/", "has no proper host and port");
  BAD_URL("https://[zz]/", "has no proper host and port");
  BAD_URL("https://a b/", "has no proper host and port");
  BAD_URL("https://h/a b", "has a path with bytes that a URL cannot hold");
}

static void test_providers(void) {
  REFUSED(
      "return { providers = {\n a = {},\n ['b/c'] = { adapter = 'x', base_url = 'http://h' },\n"
      " ['d\\n'] = { adapter = 'x', base_url = 'http://h' } } }",
      "2: providers.a: has no adapter; say which protocol it speaks, such as adapter = \"openai\"",
      "2: providers.a: has no base_url; say where its API begins",
      "3: providers[\"b/c\"]: is no name for a provider; use no control bytes and no /",
      "4: providers[\"d \"]: is no name for a provider; use no control bytes and no /");
  REFUSED(
      "return { providers = { p = { adapter = 'x', base_url = 'http://h',\n"
      " credential = 'a\\nb',\n"
      " headers = { ['a b'] = 'x',\n ['x-a'] = 'line\\r\\nbreak',\n Host = 'h',\n"
      " ['x-b'] = '1',\n ['X-B'] = '2' },\n"
      " tls = { ca = 'none.pem',\n pin = 'sha1//x', certificate = 'gateyes.lua' },\n"
      " proxy = 'h:1', concurrency = 2000000,\n timeouts = { conect = 1 } } } }",
      "2: providers.p.credential: holds a control byte, such as a line break; remove it",
      "3: providers.p.headers[\"a b\"]: is no proper header; use letters, digits and - in its name",
      "4: providers.p.headers.x-a: holds a control byte, such as a line break; remove it",
      "5: providers.p.headers.Host: is a header that Gateyes writes itself; remove it",
      "7: providers.p.headers.X-B: two headers of one name; keep one",
      CANNOT_READ("8: providers.p.tls.ca", "none.pem"),
      "8: providers.p.tls: has no effect on an http:// base_url; use https:// or remove it",
      "8: providers.p.tls: has a certificate without a key, or a key without; give both",
      "9: providers.p.tls.pin: is no pin; write sha256// and 44 characters of base64",
      "10: providers.p.concurrency: 2000000 is out of range; use 0 to 1000000",
      "10: providers.p.proxy: is no proxy; write http://, https://, socks5:// or socks5h:// and a "
      "host",
      "11: providers.p.timeouts.conect: unknown key; did you mean \"connect\"?");
}

#define ADDRESS                                                                                    \
  " is no address; write a number and a port, such as \"127.0.0.1:8080\", \"[::]:8443\", or "      \
  "\"unix:/run/gateyes.sock\""

static void test_addresses(void) {
  REFUSED(
      "return { listen = {\n 'localhost:80',\n '127.0.0.1',\n ':8080',\n '1.2.3.4:99999',\n"
      " '[::1]',\n '::1:80',\n 80,\n 'unix:relative' } }",
      "2: listen[1]: \"localhost:80\"" ADDRESS, "3: listen[2]: \"127.0.0.1\"" ADDRESS,
      "4: listen[3]: \":8080\"" ADDRESS, "5: listen[4]: \"1.2.3.4:99999\"" ADDRESS,
      "6: listen[5]: \"[::1]\"" ADDRESS, "7: listen[6]: \"::1:80\"" ADDRESS,
      "8: listen[7]: expects text, got 80; put it in quotes",
      "9: listen[8]: \"unix:relative\" is no socket; write unix: and a full path of at most 107 "
      "bytes");
  REFUSED(
      "return { listen = { '127.0.0.1:1', '127.0.0.1:1' },\n admin = { listen = '127.0.0.1:1' } }",
      "1: listen: names \"127.0.0.1:1\" twice; keep one",
      "2: admin.listen: \"127.0.0.1:1\" is listened on already; use another port for operators");
  REFUSED(
      "return {\n listen = '127.0.0.1:8081' }",
      "1: admin.listen: \"127.0.0.1:8081\" is listened on already; use another port for operators");
  REFUSED("return { listen = {} }", "1: listen: is empty; name an address or remove the key");
  REFUSED("return {\n tls = { certificate = 'none.pem' } }",
          CANNOT_READ("2: tls.certificate", "none.pem"), "2: tls: has no key; name its file");
  REFUSED("return { tenants = 'gateyes.lua',\n store = 'mysql://x',\n shared = 'memcached' }",
          CANNOT_READ_FOLDER("1: tenants", "gateyes.lua"),
          "2: store: is no store; write sqlite:FILE or none", SHARED("3"));
  REFUSED("return { store = 'postgres://u:secret@db/x',\n shared = 'redis://:secret@r' }",
          "1: store: names Postgres, which this version does not speak; write sqlite:FILE or none",
          SHARED("2"));
  REFUSED("return { store = 'postgresql://db/x' }",
          "1: store: names Postgres, which this version does not speak; write sqlite:FILE or none");
}

static void test_protocol(void) {
  REFUSED("return { cors = { origins = {\n 'https://a/', '*' } },\n"
          " paths = { aliases = {\n ['chat'] = '/v1/x',\n ['/y'] = '/z?q' } },\n"
          " limits = { body_by_route = {\n ['v1'] = 5,\n ['/v1'] = 'x' } } }",
          "1: cors.origins: \"https://a/\" is no origin; write \"*\" or \"https://host\", without "
          "a path",
          "4: paths.aliases.chat: is no path; write [\"/from\"] = \"/to\", without query",
          "5: paths.aliases[\"/y\"]: is no path; write [\"/from\"] = \"/to\", without query",
          "7: limits.body_by_route.v1: is no path; write [\"/v1/…\"] = \"1MiB\"",
          "8: limits.body_by_route[\"/v1\"]: expects a size: bytes, or text such as \"64KiB\", "
          "\"20MiB\", got \"x\"");
}

static void test_keys(void) {
  REFUSED("return { keys = {\n {},\n { name = 'a\\tb', sha256 = 'abc' },\n"
          " { name = 'c', key = 'gy-key-one', sha256 = 'x' },\n"
          " { name = 'd', key = 'gy-key-two', models = { 'mm', 'x*' } },\n"
          " { name = 'e', key = 'gy-key-three', models = {}, roles = { 5 } } },\n"
          " models = { m2 = { targets = 'p/x' },\n"
          " ['m\\0'] = { targets = 'p/x' } }, providers = { p = { adapter = 'a', base_url = "
          "'http://h' } } }",
          "2: keys[1]: has no name; give it one for logs and usage",
          "2: keys[1]: has no key; write key = env \"NAME\" or sha256 = \"…\"",
          "3: keys[2].name: holds a control byte, such as a line break; remove it",
          "3: keys[2].sha256: is no SHA-256; write 64 hexadecimal digits",
          "4: keys[3].sha256: stands beside key; keep one of them",
          "5: keys[4].models: no model is called \"mm\" (did you mean \"m2\"?); correct the name "
          "or use * "
          "in it",
          "6: keys[5].roles[1]: expects text, got 5; put it in quotes",
          "6: keys[5].models: is empty, which would allow all; name models or remove the key",
          "8: models[\"m?\"]: is no name for a model; use no control bytes");
}

int main(void) {
  kit_init();
  test_urls();
  test_providers();
  test_addresses();
  test_protocol();
  test_keys();
  return kit_end();
}
