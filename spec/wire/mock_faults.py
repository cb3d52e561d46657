"""Every knob that bends time, bytes or heads."""
import gzip
import json
import socket
import struct
import time

from mock_support import MockCase, connect, read_answer, request_bytes

TEXT = "Hello there, this is a text of some length for the stream."


class Bytes(MockCase):
    def stream(self, knobs="", wait=5.0):
        return self.chat("text=%s;%s" % (TEXT.replace(" ", "%20"), knobs), stream=True, wait=wait)

    def text_of(self, answer):
        return "".join(o["choices"][0]["delta"].get("content") or "" for o in answer.objects() if o["choices"])

    def test_a_stream_is_whole_and_ends_with_done(self):
        answer = self.stream()
        self.assertTrue(answer.whole)
        self.assertEqual(answer.events()[-1], (None, "[DONE]"))
        self.assertEqual(self.text_of(answer), TEXT)

    def test_cut_at_each_byte_of_a_stretch(self):
        for at in range(0, 60):
            answer = self.stream("cut=%d" % at)
            self.assertEqual(len(answer.body), at)
            self.assertEqual((answer.whole, answer.ended), (False, "fin"))
        record = self.last_record("complete")
        self.assertEqual(record["bytes_sent"], len(answer.raw))

    def test_cut_beyond_the_end_does_nothing(self):
        self.assertTrue(self.stream("cut=10000000").whole)

    def test_ways_to_end(self):
        self.assertEqual(self.stream("cut=100;rst").ended, "rst")
        self.assertEqual(self.stream("cut=100;fin").ended, "fin")
        clean = self.stream("cut=100;clean")
        self.assertEqual((clean.whole, len(clean.body)), (True, 100))
        half = self.stream("cut_frame=2;half_chunk")
        self.assertFalse(half.whole)
        self.assertEqual(len(half.events()), 2)
        self.assertGreater(half.sizes[-1], len(half.pieces[-1]))

    def test_cut_frame_and_cut_wire(self):
        answer = self.stream("cut_frame=3")
        self.assertEqual(len(answer.events()), 3)
        self.assertFalse(answer.whole)
        self.assertEqual(len(self.stream("cut_wire=17").raw), 17)
        self.assertEqual(self.stream("cut_wire=0").raw, b"")

    def test_cut_of_a_plain_body_keeps_the_promised_length(self):
        answer = self.chat("cut=50")
        self.assertEqual(len(answer.body), 50)
        self.assertGreater(int(answer.headers["content-length"]), 50)
        self.assertEqual(self.chat("cut=50;clean").headers["content-length"], "50")

    def test_no_done(self):
        answer = self.stream("no_done")
        self.assertTrue(answer.whole)
        self.assertNotIn("[DONE]", answer.body.decode())
        self.assertNotIn("message_stop", self.messages("no_done", stream=True).body.decode())
        self.assertNotIn("response.completed", self.responses("no_done", stream=True).body.decode())

    def test_splits_change_no_byte(self):
        def body_without_id(answer):
            return self.text_of(answer), len(answer.events())
        plain = body_without_id(self.stream())
        for knobs in ("split=1", "split=7", "split=random;seed=5", "split=3,10,400", "split=2;gap=0"):
            answer = self.stream(knobs)
            self.assertTrue(answer.whole, knobs)
            self.assertEqual(body_without_id(answer), plain, knobs)
        self.assertTrue(all(len(piece) == 1 for piece in self.stream("split=1").pieces))
        self.assertEqual([len(piece) for piece in self.stream("split=3,10,400").pieces][:2], [3, 7])

    def test_several_frames_in_one_write(self):
        answer = self.stream("burst=4")
        self.assertEqual(answer.pieces[0].count(b"data: "), 4)
        self.assertEqual(self.text_of(answer), TEXT)

    def test_random_splits_repeat_with_their_seed(self):
        def sizes(seed):
            return [len(piece) for piece in self.stream("split=random;seed=%d" % seed).pieces][:20]
        self.assertEqual(sizes(1), sizes(1))
        self.assertNotEqual(sizes(1), sizes(2))

    def test_gap_lies_between_pieces(self):
        answer = self.chat("split=200;gap=60")
        self.assertGreaterEqual(answer.times[-1][0] - answer.times[0][0], 0.1)

    def test_stalls(self):
        self.assertEqual(len(self.stream("stall=123", wait=0.3).body), 123)
        self.assertEqual(len(self.stream("stall_frame=2", wait=0.3).events()), 2)
        self.assertEqual(self.stream("stall_frame=0", wait=0.3).body, b"")
        self.assertEqual(self.stream("stall_head", wait=0.3).raw, b"")
        self.assertEqual(self.last_record("client_closed")["outcome"], "client_closed")
        self.assertTrue(self.stream("stall=123;stall_ms=50").whole)

    def test_garbage(self):
        answer = self.stream("garbage=10")
        self.assertIn(bytes((i * 37 + 128) % 256 for i in range(1, 65)), answer.body)
        self.assertTrue(answer.whole)

    def test_extra_bytes_follow_the_body(self):
        self.assertEqual(self.stream("extra=5").left, b"XXXXX")
        self.assertEqual(self.chat("extra=3").left, b"XXX")

    def test_shape_of_frames(self):
        for newline, text in (("lf", b"\n\n"), ("crlf", b"\r\n\r\n"), ("cr", b"\r\r")):
            answer = self.stream("newline=" + newline)
            self.assertTrue(answer.body.endswith(b"data: [DONE]" + text))
            self.assertEqual(self.text_of(answer), TEXT)
        self.assertIn(b"data:{", self.stream("space=0").body)
        self.assertIn(b"data: {\ndata: ", self.stream("multiline").body)
        self.assertEqual(self.text_of(self.stream("multiline")), TEXT)
        self.assertIn(b": comment 3\n", self.stream("comments").body)
        self.assertTrue(self.stream("bom").body.startswith(b"\xef\xbb\xbfdata"))
        self.assertTrue(self.stream("pings=2").body.startswith(b": ping\n\n: ping\n\ndata"))
        self.assertEqual(self.messages("pings=2", stream=True).events()[1][0], "ping")

    def test_malformed_json(self):
        events = self.stream("malformed=2").events()
        json.loads(events[0][1])
        with self.assertRaises(ValueError):
            json.loads(events[1][1])
        with self.assertRaises(ValueError):
            self.chat("malformed=1").json()

    def test_huge_line(self):
        answer = self.stream("huge_line=300000;huge_at=2")
        self.assertEqual(answer.events()[2][1], "x" * 300000)
        self.assertTrue(answer.whole)

    def test_error_frame_in_each_shape(self):
        answer = self.stream("error_frame=2;status=500;message=boom")
        self.assertEqual(answer.status, 500)
        answer = self.stream("error_frame=2;message=boom")
        self.assertEqual(answer.objects()[2]["error"]["message"], "boom")
        self.assertEqual(len(answer.events()), 3)
        self.assertTrue(answer.whole)
        self.assertIn("error", self.stream("error_frame=0").objects()[0])
        name, data = self.messages("error_frame=1", stream=True).events()[-1]
        self.assertEqual((name, json.loads(data)["error"]["type"]), ("error", "overloaded_error"))
        events = self.responses("error_frame=3", stream=True).events()
        self.assertEqual([name for name, _ in events[-2:]], ["error", "response.failed"])
        self.assertEqual(json.loads(events[-1][1])["response"]["status"], "failed")

    def test_delays(self):
        answer = self.stream("delay_head=80;delay_first=80;delay_frame=15;frames=3")
        times = [at for at, _ in answer.times]
        self.assertGreaterEqual(times[1] - times[0], 0.07)
        self.assertGreaterEqual(times[-1] - times[1], 0.05)
        started = time.monotonic()
        self.chat("delay_head=120")
        self.assertGreaterEqual(time.monotonic() - started, 0.11)


class Heads(MockCase):
    def test_header_knobs(self):
        answer = self.chat("header.X-Trace=a%20b;header.content-type=text/odd;head_bytes=9000")
        self.assertEqual(answer.headers["x-trace"], "a b")
        self.assertEqual(answer.headers["content-type"], "text/odd")
        self.assertEqual(len(answer.headers["x-padding"]), 9000)
        self.assertEqual(self.chat("content_type=text/html").headers["content-type"], "text/html")
        self.assertIn(b"x-evil: 1\r\nx-more: 2", self.chat("header.x-evil=1%0d%0ax-more: 2").raw)

    def test_informational_responses(self):
        answer = self.chat("info=103;info_count=3")
        self.assertEqual(len(answer.infos), 3)
        self.assertEqual(answer.status, 200)
        self.assertEqual(len(self.chat("info=100").infos), 1)

    def test_gzip(self):
        answer = self.chat("gzip")
        self.assertEqual(answer.headers["content-encoding"], "gzip")
        self.assertIn("choices", json.loads(gzip.decompress(answer.body)))
        stream = self.chat("gzip", stream=True)
        self.assertIn(b"[DONE]", gzip.decompress(stream.body))

    def test_framing(self):
        self.assertEqual(self.chat("chunked").headers["transfer-encoding"], "chunked")
        old = self.chat("http10")
        self.assertTrue(old.first.startswith("HTTP/1.0 200"))
        self.assertEqual(old.ended, "fin")
        self.assertNotIn("content-length", old.headers)
        closed = self.chat("close")
        self.assertEqual((closed.headers["connection"], closed.ended), ("close", "fin"))
        self.assertEqual(self.chat("status=204").body, b"")

    def test_retry_after_in_each_form(self):
        answer = self.chat("status=429;retry_after=3;retry_after_ms=1500;ratelimit_reset=1s;anthropic_reset=9")
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.json()["error"]["code"], "rate_limit_exceeded")
        self.assertEqual(answer.headers["retry-after"], "3")
        self.assertEqual(answer.headers["retry-after-ms"], "1500")
        self.assertEqual(answer.headers["x-ratelimit-reset-tokens"], "1s")
        self.assertRegex(answer.headers["anthropic-ratelimit-requests-reset"], r"^\d{4}-\d\d-\d\dT[\d:]+Z$")
        date = self.chat("status=429;retry_after=date:60").headers["retry-after"]
        ahead = time.mktime(time.strptime(date, "%a, %d %b %Y %H:%M:%S GMT")) - time.mktime(time.gmtime())
        self.assertTrue(57 <= ahead <= 61, ahead)

    def test_idle_close(self):
        sock = connect(self.mock.port)
        started = time.monotonic()
        sock.sendall(request_bytes("/v1/models", headers=[("x-mock", "idle_close=150")]))
        answer = read_answer(sock)
        self.assertTrue(answer.whole)
        sock.settimeout(2)
        self.assertEqual(sock.recv(1), b"")
        self.assertTrue(0.1 < time.monotonic() - started < 1.5)
        sock.close()


class Taking(MockCase):
    def test_a_body_that_is_never_read(self):
        sock = connect(self.mock.port)
        sock.settimeout(0.5)
        head = request_bytes("/v1/chat/completions", b"", [("x-mock", "read=never")])
        sock.sendall(head.replace(b"Length: 0", b"Length: 90000000"))
        sent = 0
        try:
            for _ in range(400):
                sent += sock.send(b"x" * 65536)
        except OSError:
            pass
        self.assertLess(sent, 20000000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        self.assertEqual(self.last_record("reset")["outcome"], "reset")
        self.assertLess(self.records()[0]["bytes_received"], 20000)

    def test_an_unread_client_that_leaves_in_order(self):
        sock = connect(self.mock.port)
        sock.sendall(request_bytes("/v1/models", b"abc", [("x-mock", "read=never")]).replace(b"Length: 3", b"Length: 9"))
        time.sleep(0.1)
        sock.close()
        self.assertEqual(self.last_record("client_closed")["outcome"], "client_closed")

    def test_a_body_that_is_read_slowly(self):
        started = time.monotonic()
        body = {"model": "m", "messages": [{"role": "user", "content": "x" * 50000}]}
        answer = self.send("/v1/chat/completions", body, "read=slow;read_bytes=10000;read_ms=60")
        self.assertEqual(answer.status, 200)
        self.assertGreater(time.monotonic() - started, 0.15)
        self.assertGreater(self.records()[0]["bytes_received"], 50000)

    def test_an_answer_before_the_body(self):
        sock = connect(self.mock.port)
        head = request_bytes("/v1/chat/completions", b"", [("x-mock", "early;status=413")])
        sock.sendall(head.replace(b"Length: 0", b"Length: 5000"))
        self.assertEqual(read_answer(sock).status, 413)
        sock.close()

    def test_expect_continue(self):
        sock = connect(self.mock.port)
        whole = request_bytes("/v1/embeddings", {"model": "m", "input": "a"}, [("Expect", "100-continue")])
        head, _, body = whole.partition(b"\r\n\r\n")
        sock.sendall(head + b"\r\n\r\n")
        sock.settimeout(2)
        self.assertEqual(sock.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(body)
        self.assertEqual(read_answer(sock).status, 200)
        sock.close()
