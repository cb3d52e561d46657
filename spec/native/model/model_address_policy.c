/* Kinds of addresses, rules, and what a policy refuses. */
#include <arpa/inet.h>

#include "check.h"
#include "model/address_policy.h"
#include "model/url.h"

static struct sockaddr_storage address_of(const char *text, uint16_t port) {
  struct sockaddr_storage out = {0};
  struct sockaddr_in *v4 = (struct sockaddr_in *)&out;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out;
  if (strchr(text, ':')) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    must(inet_pton(AF_INET6, text, &v6->sin6_addr) == 1);
  } else {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    must(inet_pton(AF_INET, text, &v4->sin_addr) == 1);
  }
  return out;
}

static void test_kinds(void) {
  static const char *const rows[][2] = {
      {"0.0.0.0", "unspecified"},
      {"0.255.255.255", "unspecified"},
      {"10.0.0.0", "private"},
      {"10.255.255.255", "private"},
      {"9.255.255.255", NULL},
      {"11.0.0.0", NULL},
      {"100.63.255.255", NULL},
      {"100.64.0.0", "shared"},
      {"100.127.255.255", "shared"},
      {"100.128.0.0", NULL},
      {"126.255.255.255", NULL},
      {"127.0.0.0", "loopback"},
      {"128.0.0.0", NULL},
      {"168.63.129.16", "link-local"},
      {"168.63.129.17", NULL},
      {"169.254.0.0", "link-local"},
      {"169.253.255.255", NULL},
      {"172.15.255.255", NULL},
      {"172.16.0.0", "private"},
      {"172.31.255.255", "private"},
      {"172.32.0.0", NULL},
      {"192.0.0.192", "reserved"},
      {"192.0.1.0", NULL},
      {"192.167.255.255", NULL},
      {"192.168.255.255", "private"},
      {"198.17.255.255", NULL},
      {"198.19.255.255", "reserved"},
      {"198.20.0.0", NULL},
      {"203.0.113.9", "reserved"},
      {"223.255.255.255", NULL},
      {"224.0.0.0", "multicast"},
      {"239.255.255.255", "multicast"},
      {"240.0.0.0", "reserved"},
      {"255.255.255.255", "reserved"},
      {"8.8.8.8", NULL},
      {"::", "unspecified"},
      {"::1", "loopback"},
      {"::2", "reserved"},
      {"::127.0.0.1", "reserved"},
      {"::ffff:127.0.0.1", "loopback"},
      {"::ffff:8.8.8.8", NULL},
      {"::ffff:0:127.0.0.1", "reserved"},
      {"64:ff9b::10.0.0.1", "private"},
      {"64:ff9b::8.8.8.8", NULL},
      {"64:ff9b:1::8.8.8.8", "reserved"},
      {"2002:a00:1::1", "private"},
      {"2002:808:808::1", NULL},
      {"2001:0:7f00:1::", "reserved"},
      {"2001:1ff:ffff::", "reserved"},
      {"2001:200::1", NULL},
      {"2001:db8::1", "reserved"},
      {"2606:4700::1111", NULL},
      {"3ffe::1", NULL},
      {"3fff::1", "reserved"},
      {"4000::1", "reserved"},
      {"fc00::1", "private"},
      {"fdff::1", "private"},
      {"fe00::1", "reserved"},
      {"fe80::1", "link-local"},
      {"febf::1", "link-local"},
      {"fec0::1", "reserved"},
      {"ff02::1", "multicast"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct sockaddr_storage a = address_of(rows[i][0], 80);
    const char *kind = address_kind((struct sockaddr *)&a);
    bool good = rows[i][1] ? kind && strcmp(kind, rows[i][1]) == 0 : !kind;
    CHECK(good);
    if (!good) fprintf(stderr, "%s: %s\n", rows[i][0], kind ? kind : "global");
  }
  struct sockaddr other = {.sa_family = AF_UNIX};
  CHECK(address_kind(&other) != NULL);
}

static struct address_rule rule_of(const char *text) {
  struct address_rule rule;
  const char *fault = address_rule_parse(slice_of(text), &rule);
  CHECK(!fault);
  if (fault) fprintf(stderr, "%s %s\n", text, fault);
  return rule;
}

static void test_bad_rules(void) {
  static const char *const bad[] = {"",         "*",         "*.",         "10.0.0.0/33", "::/129",
                                    "10.0.0/8", "10.0.0.0/", "a b",        "a:0",         "a:70000",
                                    "http://a", "user@a",    "2130706433", "[::1",        "a/b",
                                    "a..b",     "*.*.a.com", "10.0.0.0/x", "[::1]:x",     "a:80/x"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct address_rule rule;
    CHECK(address_rule_parse(slice_of(bad[i]), &rule) != NULL);
  }
}

static bool reaches(const char *internal, const char *host, const char *address, uint16_t port) {
  struct address_rule rule = rule_of(internal);
  struct address_policy policy = {.internal = {&rule, 1}};
  struct sockaddr_storage a = address_of(address, port);
  return !address_policy_refuses(&policy, slice_of(host), (struct sockaddr *)&a);
}

static void test_internal(void) {
  CHECK(reaches("10.1.0.0/16", "gpu1", "10.1.255.1", 80));
  CHECK(!reaches("10.1.0.0/16", "gpu1", "10.2.0.1", 80));
  CHECK(reaches("10.1.0.0/16", "gpu1", "::ffff:10.1.0.1", 80));
  CHECK(!reaches("10.1.0.0/16", "gpu1", "64:ff9b::10.1.0.1", 80));
  CHECK(reaches("10.0.0.0/12", "gpu1", "10.15.0.1", 80) &&
        !reaches("10.0.0.0/12", "a", "10.16.0.1", 80));
  CHECK(reaches("0.0.0.0/0", "x", "127.0.0.1", 80) && !reaches("0.0.0.0/0", "x", "::1", 80));
  CHECK(reaches("::/0", "x", "127.0.0.1", 80) && reaches("::/0", "x", "fe80::1", 80));
  CHECK(reaches("fd00:1::/48", "gpu1", "fd00:1::5", 80));
  CHECK(!reaches("fd00:1::/48", "gpu1", "fd00:2::5", 80));
  CHECK(reaches("gpu1.lan", "gpu1.lan", "10.0.0.1", 80));
  CHECK(reaches("gpu1.lan", "GPU1.LAN.", "10.0.0.1", 8000));
  CHECK(!reaches("gpu1.lan", "gpu2.lan", "10.0.0.1", 80));
  CHECK(!reaches("gpu1.lan", "xgpu1.lan", "10.0.0.1", 80));
  CHECK(reaches("gpu1.lan:8000", "gpu1.lan", "10.0.0.1", 8000));
  CHECK(!reaches("gpu1.lan:8000", "gpu1.lan", "10.0.0.1", 8001));
  CHECK(reaches("*.lan", "gpu1.lan", "10.0.0.1", 80) &&
        reaches("*.lan", "a.b.lan", "10.0.0.1", 80));
  CHECK(!reaches("*.lan", "lan", "10.0.0.1", 80) && !reaches("*.lan", "gpulan", "10.0.0.1", 80));
  CHECK(!reaches("*.lan", ".lan", "10.0.0.1", 80));
  /* A name opens no link-local address: that takes a network. */
  CHECK(!reaches("gpu1.lan", "gpu1.lan", "169.254.169.254", 80));
  CHECK(reaches("169.254.169.254", "gpu1.lan", "169.254.169.254", 80));
  CHECK(!reaches("gpu1.lan", "gpu1.lan", "0.0.0.0", 80));
  CHECK(reaches("[::1]:8000", "[::1]", "::1", 8000) && !reaches("[::1]:8000", "[::1]", "::1", 1));
  CHECK(reaches("127.0.0.1:8000", "127.0.0.1", "127.0.0.1", 8000));
  CHECK(reaches("gpu1.lan", "example.com", "8.8.8.8", 80));
}

static void test_hosts(void) {
  struct address_rule hosts[] = {rule_of("api.example.com"), rule_of("*.b.example"),
                                 rule_of("93.184.0.0/16")};
  struct address_rule inside = rule_of("gpu1.lan:8000");
  struct address_policy p = {.hosts = {hosts, 3}, .internal = {&inside, 1}}, any = {0};
  CHECK(!address_policy_refuses_host(&p, SLICE("API.example.com"), 443));
  CHECK(!address_policy_refuses_host(&p, SLICE("api.example.com."), 443));
  CHECK(!address_policy_refuses_host(&p, SLICE("x.b.example"), 443));
  CHECK(!address_policy_refuses_host(&p, SLICE("93.184.1.1"), 443));
  CHECK(!address_policy_refuses_host(&p, SLICE("gpu1.lan"), 8000));
  CHECK(address_policy_refuses_host(&p, SLICE("gpu1.lan"), 8001));
  CHECK(address_policy_refuses_host(&p, SLICE("example.com"), 443));
  CHECK(address_policy_refuses_host(&p, SLICE("api.example.com.evil.org"), 443));
  CHECK(address_policy_refuses_host(&p, SLICE("93.185.1.1"), 443));
  CHECK(address_policy_refuses_host(&p, SLICE("[::1]"), 443));
  CHECK(!address_policy_refuses_host(&any, SLICE("anything.example"), 443));
  struct sockaddr_storage home = address_of("127.0.0.1", 443);
  CHECK(address_policy_refuses(&p, SLICE("api.example.com"), (struct sockaddr *)&home));
}

static void test_text(void) {
  struct address_rule one = rule_of("10.0.0.0/8"), two = rule_of("10.0.0.0/9");
  struct address_policy a = {.internal = {&one, 1}}, b = {.internal = {&two, 1}},
                        c = {.hosts = {&one, 1}};
  struct address_policy *all[] = {&a, &b, &c};
  struct bytes texts[3];
  for (size_t i = 0; i < 3; i++) {
    bytes_init(&texts[i]);
    address_policy_write(&texts[i], all[i]);
    for (size_t j = 0; j < i; j++)
      CHECK(!slice_equal(bytes_slice(&texts[i]), bytes_slice(&texts[j])));
  }
  for (size_t i = 0; i < 3; i++)
    bytes_fini(&texts[i]);
}

static void test_urls(void) {
  struct url url;
  CHECK(url_parse(SLICE("https://api.example.com:8443/v1?x=1"), &url) == NULL);
  CHECK_TEXT(url.authority, "api.example.com:8443");
  CHECK_TEXT(url.host, "api.example.com");
  CHECK_TEXT(url.path, "/v1?x=1");
  CHECK(url.is_tls && url.port == 8443);
  CHECK(url_parse(SLICE("http://[::1]:80"), &url) == NULL);
  CHECK_TEXT(url.authority, "[::1]");
  CHECK_TEXT(url_bare_host(url.authority), "::1");
  CHECK(!url.is_tls && url.port == 80 && url.path.len == 0);
  CHECK_TEXT(url_bare_host(SLICE("a.b:80")), "a.b");
  CHECK(url_parse(SLICE("http://1.2.3.4.example/"), &url) == NULL);
  CHECK(url_parse(SLICE("http://0x7g/"), &url) != NULL);
  CHECK(url_parse(SLICE("http://1.2.3.4.5/"), &url) != NULL);
  CHECK(url_parse(SLICE("http://a\0b/"), &url) != NULL);
  CHECK(url_parse((struct slice){NULL, 0}, &url) != NULL);
}

int main(void) {
  test_kinds();
  test_bad_rules();
  test_internal();
  test_hosts();
  test_text();
  test_urls();
  return checks_end();
}
