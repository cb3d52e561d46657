"""A name server on a loopback port (RFC 1035, UDP, type A): the tests say what each name leads to."""
import socket
import struct
import threading

SILENT, NO_NAME, FAILED = "silent", 3, 2


class NameServer:
    """names: name -> list of IPv4 addresses, SILENT, NO_NAME or FAILED. Unknown names do not exist."""

    def __init__(self, names):
        self.names = dict(names)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                packet, peer = self.socket.recvfrom(512)
            except OSError:
                return
            reply = self.reply(packet)
            if reply:
                self.socket.sendto(reply, peer)

    def reply(self, packet):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        question, kind = packet[12:at + 5], packet[at + 2]
        outcome = self.names.get(".".join(labels).lower(), NO_NAME)
        if outcome == SILENT:
            return None
        addresses = outcome if isinstance(outcome, list) and kind == 1 else []
        code = 0 if isinstance(outcome, list) else outcome
        answers = b"".join(struct.pack("!HHHIH4s", 0xC00C, 1, 1, 0, 4, socket.inet_aton(a)) for a in addresses)
        return packet[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(addresses), 0, 0) + question + answers

    def close(self):
        self.socket.close()
