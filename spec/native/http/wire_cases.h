/* name, bytes, statuses that come back. OPEN: the connection stays usable (a last request is added
 * and answered 200). SHUT: the server closes. PART: incomplete, the client ends; nothing comes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct wire_case {
  const char *name, *input;
  size_t len;
  const char *want;
  bool is_open, is_partial;
};

#define OPEN(name, input, want)                                                                    \
  { name, input, sizeof(input) - 1, want " 200", true, false }
#define SHUT(name, input, want)                                                                    \
  { name, input, sizeof(input) - 1, want, false, false }
#define PART(name, input, want)                                                                    \
  { name, input, sizeof(input) - 1, want, false, true }
#define TEN(x) x x x x x x x x x x
#define HOST "Host: x\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct wire_case *wire_cases(void) {
  static const struct wire_case cases[] = {
      /* plain requests */
      OPEN("get", GET "\r\n", "200"),
      OPEN("two pipelined", GET "\r\n" GET "\r\n", "200 200"),
      OPEN("post with length", POST "Content-Length: 3\r\n\r\nabc", "200"),
      OPEN("length 0", POST "Content-Length: 0\r\n\r\n", "200"),
      OPEN("length with leading zeros is decimal", POST "Content-Length: 0010\r\n\r\n0123456789",
           "200"),
      OPEN("empty line before the request", "\r\n" GET "\r\n", "200"),
      OPEN("empty line after a body", POST "Content-Length: 1\r\n\r\na\r\n" GET "\r\n", "200 200"),
      OPEN("header without value", GET "X:\r\nY:  \r\n\r\n", "200"),
      OPEN("spaces around a value", GET "X:  a b \t\r\n\r\n", "200"),
      OPEN("bytes above 0x7f in a value", GET "X: \xe4\xb8\xad\r\n\r\n", "200"),
      OPEN("underscore is no dash", POST "Transfer_Encoding: chunked\r\nContent-Length: 1\r\n\r\na",
           "200"),
      OPEN("content_length is nothing", POST "Content_Length: 5\r\n\r\n", "200"),
      OPEN("absolute target", "GET http://x/a?b HTTP/1.1\r\n" HOST "\r\n", "200"),
      OPEN("absolute target without a path", "GET http://x HTTP/1.1\r\n" HOST "\r\n", "200"),
      OPEN("options star", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "200"),
      OPEN("head", "HEAD /empty HTTP/1.1\r\n" HOST "\r\n", "204"),
      OPEN("delete", "DELETE /a HTTP/1.1\r\n" HOST "\r\n", "200"),
      OPEN("upgrade is ignored", GET "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "200"),
      OPEN(
          "h2c is ignored",
          GET
          "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
          "200"),
      OPEN("upgrade with a body",
           POST "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi", "200"),
      SHUT("connection close", GET "Connection: close\r\n\r\n", "200"),
      SHUT("close among tokens", GET "Connection: x, Close\r\n\r\n", "200"),
      SHUT("nothing after close is answered", GET "Connection: close\r\n\r\n" GET "\r\n", "200"),
      SHUT("1.0 closes", "GET / HTTP/1.0\r\n\r\n", "200"),
      OPEN("1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200"),
      SHUT("1.0 with a body", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nok", "200"),
      /* Host */
      SHUT("no host", "GET / HTTP/1.1\r\n\r\n", "400"),
      SHUT("two hosts", GET HOST "\r\n", "400"),
      SHUT("two different hosts", GET "hOST: y\r\n\r\n", "400"),
      SHUT("host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"),
      SHUT("host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
      SHUT("host with a user", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", "400"),
      SHUT("two hosts in 1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", "400"),
      /* the request line */
      SHUT("version 2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", "505"),
      SHUT("version 1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", "505"),
      SHUT("version 0.9", "GET / HTTP/0.9\r\n" HOST "\r\n", "505"),
      SHUT("no version", "GET /\r\n" HOST "\r\n", "400"),
      SHUT("lower case version", "GET / http/1.1\r\n" HOST "\r\n", "400"),
      SHUT("rtsp", "GET / RTSP/1.0\r\n" HOST "\r\n", "400"),
      SHUT("ice", "SOURCE / ICE/1.0\r\n" HOST "\r\n", "400"),
      SHUT("two spaces before the target", "GET  / HTTP/1.1\r\n" HOST "\r\n", "400"),
      SHUT("two spaces after the target", "GET /  HTTP/1.1\r\n" HOST "\r\n", "400"),
      SHUT("tab in the request line", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", "400"),
      SHUT("space at its end", "GET / HTTP/1.1 \r\n" HOST "\r\n", "400"),
      SHUT("space before the method", " GET / HTTP/1.1\r\n" HOST "\r\n", "400"),
      SHUT("lower case method", "get / HTTP/1.1\r\n" HOST "\r\n", "400"),
      SHUT("unknown method", "BREW / HTTP/1.1\r\n" HOST "\r\n", "501"),
      SHUT("tls on the plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"),
      SHUT("connect", "CONNECT x:443 HTTP/1.1\r\n" HOST "\r\n", "501"),
      SHUT("nothing is tunnelled", "CONNECT x:443 HTTP/1.1\r\n" HOST "\r\n" GET "\r\n", "501"),
      SHUT("http/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
      SHUT("star without options", "GET * HTTP/1.1\r\n" HOST "\r\n", "400"),
      SHUT("authority without connect", "GET x:443 HTTP/1.1\r\n" HOST "\r\n", "400"),
      SHUT("relative target", "GET a HTTP/1.1\r\n" HOST "\r\n", "400"),
      SHUT("fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", "400"),
      SHUT("user in the target", "GET http://u@x/ HTTP/1.1\r\n" HOST "\r\n", "400"),
      SHUT("other scheme", "GET ftp://x/ HTTP/1.1\r\n" HOST "\r\n", "400"),
      SHUT("bytes above 0x7f in the target", "GET /\xe4 HTTP/1.1\r\n" HOST "\r\n", "400"),
      SHUT("zero byte in the target", "GET /\0a HTTP/1.1\r\n" HOST "\r\n", "400"),
      /* lines */
      SHUT("bare lf after the request line", "GET / HTTP/1.1\n" HOST "\r\n", "400"),
      SHUT("bare lf after a header", GET "X: a\nY: b\r\n\r\n", "400"),
      SHUT("bare lf at the end", GET "X: a\r\n\n", "400"),
      SHUT("bare cr in a value", GET "X: a\rb\r\n\r\n", "400"),
      SHUT("bare cr at the end", GET "X: a\r\n\rb", "400"),
      SHUT("folded with a space", GET "X: a\r\n b\r\n\r\n", "400"),
      SHUT("folded with a tab", GET "X: a\r\n\tb\r\n\r\n", "400"),
      SHUT("folded blank", GET "X: a\r\n \r\n\r\n", "400"),
      SHUT("folded empty value", GET "X:\r\n a\r\n\r\n", "400"),
      SHUT("space before the first header", "GET / HTTP/1.1\r\n " HOST "\r\n", "400"),
      SHUT("empty name", GET ": a\r\n\r\n", "400"),
      SHUT("space before the colon", GET "X : a\r\n\r\n", "400"),
      SHUT("space in a name", GET "X Y: a\r\n\r\n", "400"),
      SHUT("no colon", GET "X\r\n\r\n", "400"),
      SHUT("zero byte in a value", GET "X: a\0b\r\n\r\n", "400"),
      SHUT("control byte in a value", GET "X: a\x01\r\n\r\n", "400"),
      SHUT("0x7f in a value", GET "X: a\x7f\r\n\r\n", "400"),
      SHUT("bytes above 0x7f in a name", GET "X\xe4: a\r\n\r\n", "400"),
      /* lengths */
      SHUT("two lengths", POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"),
      SHUT("two equal lengths", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"),
      SHUT("list of lengths", POST "Content-Length: 3, 3\r\n\r\nabc", "400"),
      SHUT("plus sign", POST "Content-Length: +3\r\n\r\nabc", "400"),
      SHUT("minus sign", POST "Content-Length: -3\r\n\r\nabc", "400"),
      SHUT("hexadecimal length", POST "Content-Length: 0x3\r\n\r\nabc", "400"),
      SHUT("space inside", POST "Content-Length: 1 1\r\n\r\nabc", "400"),
      SHUT("empty length", POST "Content-Length:\r\n\r\n", "400"),
      SHUT("length beyond 64 bits", POST "Content-Length: 18446744073709551617\r\n\r\na", "400"),
      SHUT("length with a letter", POST "Content-Length: 3a\r\n\r\nabc", "400"),
      SHUT("declared body too large", POST "Content-Length: 1001\r\n\r\n", "413"),
      SHUT("huge declared body", POST "Content-Length: 1073741824\r\n\r\nabc", "413"),
      SHUT("limit of one request", "POST /small HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde",
           "413"),
      /* transfer codings */
      OPEN("chunked", CHUNKED "3\r\nabc\r\n0\r\n\r\n", "200"),
      OPEN("chunked in capitals", POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "200"),
      OPEN("chunk size with zeros", CHUNKED "0003\r\nabc\r\n00\r\n\r\n", "200"),
      OPEN("chunk extension", CHUNKED "3;a=b\r\nabc\r\n0;c\r\n\r\n", "200"),
      OPEN("trailers are dropped",
           CHUNKED "1\r\na\r\n0\r\nContent-Length: 9\r\nHost: y\r\nAuthorization: z\r\n\r\n",
           "200"),
      OPEN("chunked twice in a row", CHUNKED "1\r\na\r\n0\r\n\r\n" CHUNKED "2\r\nbc\r\n0\r\n\r\n",
           "200 200"),
      SHUT("te and length", POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
           "400"),
      SHUT("length and te", POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "400"),
      SHUT("te in 1.0", "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "400"),
      SHUT("gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"),
      SHUT("identity, chunked", POST "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
           "501"),
      SHUT("empty, chunked", POST "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", "501"),
      SHUT("chunked, chunked", POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400"),
      SHUT("two lines of te",
           POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
      SHUT("xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"),
      SHUT("chunked with a parameter", POST "Transfer-Encoding: chunked;a\r\n\r\n0\r\n\r\n", "501"),
      SHUT("quoted chunked", POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "501"),
      SHUT("vertical tab before chunked",
           POST "Transfer-Encoding: \x0b"
                "chunked\r\n\r\n0\r\n\r\n",
           "400"),
      SHUT("empty te", POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n", "501"),
      SHUT("size with 0x", CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", "400"),
      SHUT("size with a sign", CHUNKED "+3\r\nabc\r\n0\r\n\r\n", "400"),
      SHUT("size with a space", CHUNKED "3 \r\nabc\r\n0\r\n\r\n", "400"),
      SHUT("no size", CHUNKED "\r\nabc\r\n0\r\n\r\n", "400"),
      SHUT("size beyond 64 bits", CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n", "400"),
      SHUT("size line ends in lf", CHUNKED "3\nabc\r\n0\r\n\r\n", "400"),
      SHUT("size line ends in cr", CHUNKED "3\rabc\r\n0\r\n\r\n", "400"),
      SHUT("chunk longer than its size", CHUNKED "3\r\nabcd\r\n0\r\n\r\n", "400"),
      SHUT("chunk ends in lf", CHUNKED "3\r\nabc\n0\r\n\r\n", "400"),
      SHUT("lf in an extension", CHUNKED "3;a\n\r\nabc\r\n0\r\n\r\n", "400"),
      SHUT("end in lf", CHUNKED "0\r\n\n", "400"),
      SHUT("folded trailer", CHUNKED "0\r\nA: b\r\n c\r\n\r\n", "400"),
      SHUT("trailer without colon", CHUNKED "0\r\nA\r\n\r\n", "400"),
      SHUT("chunks grow above the limit",
           CHUNKED "1f4\r\n" TEN(TEN("01234")) "\r\n1f5\r\n" TEN(TEN("01234")) "5", "413"),
      /* limits of the head */
      SHUT("target too long", "GET /" TEN(TEN("abc")) " HTTP/1.1\r\n" HOST "\r\n", "414"),
      SHUT("too many lines", GET TEN("A: b\r\n") TEN("A: b\r\n") "\r\n", "431"),
      OPEN("as many lines as allowed",
           GET TEN("A: b\r\n") "A: b\r\nB:\r\nC: \r\nD:d\r\nE:\r\nF:\r\nG:\r\nH:\r\nI:\r\n\r\n",
           "200"),
      SHUT("head too large", GET "X: " TEN(TEN(TEN("abcde"))) "\r\n\r\n", "431"),
      /* Expect */
      OPEN("continue, body at once", POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
           "200"),
      SHUT("other expectation", POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", "417"),
      SHUT("refused while it waits",
           "POST /deny HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
           "401"),
      OPEN("expect in 1.0 is ignored",
           "POST / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: x\r\nContent-Length: 1\r\n\r\na",
           "200"),
      /* bodies that nobody reads */
      OPEN("short unread body", "POST /deny HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
           "401"),
      SHUT("unread chunked body",
           "POST /deny HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
           "401"),
      SHUT("nothing after an error is parsed", GET ": a\r\n\r\n" GET "\r\n", "400"),
      SHUT("nothing after a bad body is parsed", CHUNKED "x\r\n" GET "\r\n", "400"),
      /* incomplete requests */
      PART("half a method", "GE", ""),
      PART("half a head", GET "X: ", ""),
      PART("head without end", GET, ""),
      PART("half a body", POST "Content-Length: 5\r\n\r\nab", ""),
      PART("half a chunk", CHUNKED "5\r\nab", ""),
      PART("chunks without end", CHUNKED "2\r\nab\r\n", ""),
      PART("trailers without end", CHUNKED "2\r\nab\r\n0\r\nA: b\r\n", ""),
      PART("half a second request",
           GET "\r\n"
               "GET /",
           "200"),
      PART("the client ends after a whole request", GET "\r\n", "200"),
      {0},
  };
  return cases;
}
