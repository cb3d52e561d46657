/* Requests of scripts and services: answers, limits, pooling, cancelling, and the addresses that
 * they may not reach. */
#include "upstream/fake.h"
#include "upstream/fetch.h"

struct result {
  bool is_done;
  struct fetch *fetch;
  enum failure_kind failure;
  int status;
  char body[256], sentence[512], type[64];
};

static struct fake f;
static struct rig r;
static struct fetch_request usual;

static void on_done(const struct fetch_answer *answer, void *user) {
  struct result *result = user;
  CHECK(!result->is_done);
  result->is_done = true;
  result->failure = answer->failure;
  result->status = answer->status;
  struct slice type = header_find(answer->headers, "content-type");
  snprintf(result->body, sizeof result->body, "%.*s", (int)answer->body.len, answer->body.data);
  snprintf(result->type, sizeof result->type, "%.*s", (int)type.len, type.data);
  snprintf(result->sentence, sizeof result->sentence, "%s", answer->sentence);
}

static void start(struct result *result, const char *url_format) {
  char url[600];
  snprintf(url, sizeof url, url_format, f.port);
  memset(result, 0, sizeof *result);
  struct fetch_request request = usual;
  request.url = slice_of(url);
  result->fetch = fetch_start(r.upstream, &request, on_done, result);
  memset(url, 'x', sizeof url); /* borrowed for the call only */
  CHECK(!result->is_done);
}

static void get(struct result *result, const char *url_format) {
  start(result, url_format);
  rig_run(&r, &result->is_done, 5000);
  CHECK(result->is_done);
}

static void expect_failure(const char *url_format, enum failure_kind kind, const char *text) {
  struct result result;
  get(&result, url_format);
  bool good = result.failure == kind && strstr(result.sentence, text);
  CHECK(good);
  if (!good)
    fprintf(stderr, "%s: %d %d \"%s\"\n", url_format, result.failure, result.status,
            result.sentence);
}

static void begin(fake_serve serve, const char *script) {
  fake_start(&f, serve);
  f.script = (void *)script;
  rig_start(&r, f.port);
  usual = (struct fetch_request){.timeout_ms = 3000, .answer_bytes = 64};
}

static void end(void) {
  rig_stop(&r);
  fake_stop(&f);
}

static char seen[8192];

static void serve_script(struct fake_conn *c) {
  while (fake_request(c, seen, sizeof seen, NULL))
    fake_say(c, c->fake->script);
}

static void test_answers(void) {
  struct result result;
  begin(serve_script, "HTTP/1.1 404 No\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno");
  get(&result, "http://127.0.0.1:%u?a=b");
  CHECK(result.failure == FAILURE_NONE && result.status == 404);
  CHECK(strcmp(result.body, "no") == 0 && strcmp(result.type, "text/plain") == 0);
  CHECK(strncmp(seen, "GET /?a=b HTTP/1.1\r\nHost: 127.0.0.1:", 36) == 0);
  struct header lines[] = {{SLICE("X-One"), SLICE(" 1 ")}, {SLICE("Authorization"), SLICE("t")}};
  usual.headers = (struct headers){lines, 2};
  usual.body = SLICE("{\"a\":1}");
  get(&result, "HTTP://127.0.0.1:%u/moderate");
  CHECK(result.status == 404);
  CHECK(strncmp(seen, "POST /moderate HTTP/1.1\r\n", 25) == 0);
  CHECK(strstr(seen, "\r\nX-One: 1\r\nAuthorization: t\r\nContent-Length: 7\r\n") != NULL);
  CHECK(atomic_load(&f.connections) == 1);
  end();
}

static void test_no_redirect(void) {
  struct result result;
  begin(serve_script, "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
  get(&result, "http://127.0.0.1:%u/a");
  CHECK(result.failure == FAILURE_NONE && result.status == 302);
  CHECK(atomic_load(&f.requests) == 1);
  end();
}

static void serve_two_then_close(struct fake_conn *c) {
  char head[4096];
  if (!fake_request(c, head, sizeof head, NULL)) return;
  if (c->number == 2) strcpy(seen, head);
  fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  if (c->number == 1) fake_request(c, head, sizeof head, NULL); /* and closes without an answer */
}

static void test_dead_connection(void) {
  struct result result;
  begin(serve_two_then_close, NULL);
  get(&result, "http://127.0.0.1:%u/a");
  get(&result, "http://127.0.0.1:%u/b");
  CHECK(result.failure == FAILURE_NONE && atomic_load(&f.connections) == 2);
  CHECK(strncmp(seen, "GET /b ", 7) == 0);
  end();
  begin(serve_two_then_close, NULL);
  get(&result, "http://127.0.0.1:%u/a");
  usual.body = SLICE("x");
  expect_failure("http://127.0.0.1:%u/b", FAILURE_UPSTREAM_CUT, "before it answered");
  CHECK(atomic_load(&f.requests) == 2);
  end();
}

static void serve_nothing(struct fake_conn *c) {
  fake_wait_close(c);
}

static void test_limits(void) {
  begin(serve_nothing, NULL);
  usual.timeout_ms = 60;
  expect_failure("http://127.0.0.1:%u/a", FAILURE_UPSTREAM_TOTAL_TIMEOUT, "within 0.06 s");
  struct result result;
  usual.timeout_ms = 3000;
  start(&result, "http://127.0.0.1:%u/a");
  rig_run(&r, NULL, 50);
  fetch_cancel(result.fetch);
  fake_settle(&f);
  CHECK(!result.is_done);
  start(&result, "http://127.0.0.1:%u/a"); /* the close below must take it along */
  end();
  CHECK(!result.is_done);
  begin(serve_script, "HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n"
                      "12345678901234567890123456789012345678901234567890123456789012345");
  expect_failure("http://127.0.0.1:%u/a", FAILURE_UPSTREAM_PROTOCOL, "longer than 64 bytes");
  usual.answer_bytes = 65;
  get(&result, "http://127.0.0.1:%u/a");
  CHECK(result.failure == FAILURE_NONE && strlen(result.body) == 65);
  end();
}

static void refuse_header(struct slice name, struct slice value, const char *text) {
  struct header line = {name, value};
  usual.headers = (struct headers){&line, 1};
  expect_failure("http://127.0.0.1:%u/", FAILURE_BAD_REQUEST, text);
  usual.headers = (struct headers){NULL, 0};
}

static void test_bad_requests(void) {
  begin(serve_nothing, NULL);
  refuse_header(SLICE("Host"), SLICE("x"), "header Host is set by the gateway");
  refuse_header(SLICE("transfer-encoding"), SLICE("chunked"), "is set by the gateway");
  refuse_header(SLICE("A"), SLICE("1\r\nB: 2"), "no head can hold");
  refuse_header(SLICE("A:"), SLICE("1"), "no head can hold");
  usual.method = SLICE("GET / HTTP/1.1\r\n");
  expect_failure("http://127.0.0.1:%u/", FAILURE_BAD_REQUEST, "the method");
  usual.method = SLICE("CONNECT");
  expect_failure("http://127.0.0.1:%u/", FAILURE_BAD_REQUEST, "the method");
  usual.method = SLICE("");
  expect_failure("http://127.0.0.1:%u/a b", FAILURE_BAD_REQUEST, "bytes that a URL cannot hold");
  struct result results[FETCHES_MAX + 1];
  for (size_t i = 0; i <= FETCHES_MAX; i++)
    start(&results[i], "http://127.0.0.1:9/");
  rig_run(&r, &results[FETCHES_MAX].is_done, 5000);
  CHECK(results[FETCHES_MAX].failure == FAILURE_OVERLOADED);
  CHECK(atomic_load(&f.connections) == 0);
  end();
}

/* Each would reach this very listener, or a cloud's metadata, if anyone on the way understood it.
 * Where the port is written it is the listener's. */
static const char *const spellings[] = {
    "http://127.0.0.1:%u/",
    "http://127.0.0.2:%u/",
    "http://127.255.255.254:%u/",
    "http://127.1:%u/",
    "http://127.0.1:%u/",
    "http://2130706433:%u/",
    "http://02130706433:%u/",
    "http://0x7f000001:%u/",
    "http://0X7F000001:%u/",
    "http://0x7f.0x0.0x0.0x1:%u/",
    "http://0x7f.1:%u/",
    "http://017700000001:%u/",
    "http://0177.0.0.1:%u/",
    "http://0177.0.0.01:%u/",
    "http://00177.0.0.1:%u/",
    "http://127.000.000.001:%u/",
    "http://127.0.0.1.:%u/",
    "http://127.0.0.0x1:%u/",
    "http://4294967296:%u/",
    "http://6425673729:%u/",
    "http://0:%u/",
    "http://0.0.0.0:%u/",
    "http://00:%u/",
    "http://0x0:%u/",
    "http://0.1:%u/",
    "http://[::]:%u/",
    "http://[::1]:%u/",
    "http://[0:0:0:0:0:0:0:1]:%u/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:%u/",
    "http://[::127.0.0.1]:%u/",
    "http://[::ffff:127.0.0.1]:%u/",
    "http://[::ffff:7f00:1]:%u/",
    "http://[0:0:0:0:0:ffff:7f00:0001]:%u/",
    "http://[::FFFF:127.0.0.1]:%u/",
    "http://[64:ff9b::127.0.0.1]:%u/",
    "http://[64:ff9b:1::7f00:1]:%u/",
    "http://[2002:7f00:1::]:%u/",
    "http://[2001:0:7f00:1::]:%u/",
    "http://[::1%%25lo]:%u/",
    "http://[::1%%lo]:%u/",
    "http://[fe80::1]:%u/",
    "http://[fd00::1]:%u/",
    "http://[fd00:ec2::254]/latest/",
    "http://[ff02::1]:%u/",
    "http://[v1.127.0.0.1]:%u/",
    "http://localhost:%u/",
    "http://LOCALHOST:%u/",
    "http://localhost.:%u/",
    "http://localhost..:%u/",
    "http://ip6-localhost:%u/",
    "https://localhost:%u/",
    "http://%%6c%%6f%%63%%61lhost:%u/",
    "http://127%%2e0.0.1:%u/",
    "http://127\xe3\x80\x82"
    "0.0.1:%u/",
    "http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1:%u/",
    "http://example.com@127.0.0.1:%u/",
    "http://127.0.0.1:%u@example.com/",
    "http://example.com:80@127.0.0.1:%u/",
    "http://user:pass@localhost:%u/",
    "http://example.com\\@127.0.0.1:%u/",
    "http://127.0.0.1:%u\\@example.com/",
    "http://example.com#@127.0.0.1:%u/",
    "http:127.0.0.1:%u/",
    "http:/127.0.0.1:%u/",
    "http:///127.0.0.1:%u/",
    "http:\\\\127.0.0.1:%u/",
    "//127.0.0.1:%u/",
    "127.0.0.1:%u/",
    " http://127.0.0.1:%u/",
    "http://127.0.0.1:%u /",
    "http://127.0.0.1 :%u/",
    "http://127.0.0.1\t:%u/",
    "http://127.0.0.1:%u\r\nHost: example.com/",
    "http://127.0.0.1:0%u000/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://168.63.129.16/metadata/",
    "http://192.168.0.1/",
    "http://10.0.0.1/",
    "http://172.31.255.255/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:%u/_GET",
    "dict://127.0.0.1:%u/",
    "ftp://127.0.0.1:%u/",
    "ldap://127.0.0.1:%u/",
    "telnet://127.0.0.1:%u/",
    "unix:/run/gateyes.sock",
    "",
};

static void test_spellings(void) {
  enum { COUNT = sizeof spellings / sizeof *spellings };
  static struct address_policy nothing_internal;
  begin(serve_script, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  usual.addresses = &nothing_internal;
  for (size_t i = 0; i < COUNT; i++) {
    struct result result;
    get(&result, spellings[i]);
    /* A name that leads nowhere here is as good. */
    bool is_unknown = strstr(result.sentence, "resolve") != NULL;
    bool good = is_unknown || result.failure == FAILURE_BAD_REQUEST ||
                result.failure == FAILURE_UPSTREAM_ADDRESS;
    CHECK(good && result.sentence[0]);
    if (!good) fprintf(stderr, "%s: %d %s\n", spellings[i], result.failure, result.sentence);
  }
  CHECK(COUNT >= 60);
  CHECK(atomic_load(&f.connections) == 0);
  expect_failure("http://127.0.0.1:%u/", FAILURE_UPSTREAM_ADDRESS,
                 "has the loopback address 127.0.0.1, which");
  expect_failure("http://localhost:%u/", FAILURE_UPSTREAM_ADDRESS, "has the loopback address");
  end();
}

static void test_allowed(void) {
  struct result result;
  struct address_rule rule, host;
  char text[64];
  struct address_policy policy = {.internal = {&rule, 1}};
  begin(serve_script, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  usual.addresses = &policy;
  static const char *const good[] = {"127.0.0.0/8", "127.0.0.1", "localhost", "localhost:%u"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    snprintf(text, sizeof text, good[i], f.port);
    CHECK(address_rule_parse(slice_of(text), &rule) == NULL);
    get(&result, "http://localhost:%u/");
    CHECK(result.failure == FAILURE_NONE && result.status == 200);
  }
  CHECK(address_rule_parse(SLICE("localhost:9"), &rule) == NULL);
  expect_failure("http://localhost:%u/", FAILURE_UPSTREAM_ADDRESS, "loopback");
  CHECK(address_rule_parse(SLICE("10.0.0.0/8"), &rule) == NULL);
  CHECK(address_rule_parse(SLICE("*.example.com"), &host) == NULL);
  expect_failure("http://localhost:%u/", FAILURE_UPSTREAM_ADDRESS, "loopback");
  policy.hosts = (struct address_rules){&host, 1};
  expect_failure("http://localhost:%u/", FAILURE_UPSTREAM_ADDRESS, "list of allowed hosts");
  usual.addresses = NULL; /* a connection made under one policy serves no other */
  int before = atomic_load(&f.connections);
  get(&result, "http://localhost:%u/");
  CHECK(result.failure == FAILURE_NONE && atomic_load(&f.connections) == before + 1);
  end();
}

int main(void) {
  test_answers();
  test_no_redirect();
  test_dead_connection();
  test_limits();
  test_bad_requests();
  test_spellings();
  test_allowed();
  return checks_end();
}
