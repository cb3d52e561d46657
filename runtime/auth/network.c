#include "auth/network.h"

#include <arpa/inet.h>
#include <string.h>

static bool parse_address(struct slice text, uint8_t out[16], bool *is_v4) {
  char copy[INET6_ADDRSTRLEN];
  if (text.len == 0 || text.len >= sizeof copy) return false;
  memcpy(copy, text.data, text.len);
  copy[text.len] = 0;
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  *is_v4 = inet_pton(AF_INET, copy, out + 12) == 1;
  if (*is_v4) memcpy(out, mapped, sizeof mapped);
  return *is_v4 || inet_pton(AF_INET6, copy, out) == 1;
}

bool network_parse(struct slice text, struct network *out) {
  struct slice rest, address = slice_cut(text, '/', &rest);
  bool is_v4, has_bits = address.len < text.len;
  if (!parse_address(address, out->address, &is_v4)) return false;
  uint64_t bits = is_v4 ? 32 : 128;
  if (has_bits && (!slice_to_u64(rest, &bits) || bits > (is_v4 ? 32u : 128u))) return false;
  out->bits = (uint8_t)(is_v4 ? bits + 96 : bits);
  return true;
}

static bool holds(const struct network *n, const uint8_t address[16]) {
  size_t whole = n->bits / 8, rest = n->bits % 8;
  if (memcmp(n->address, address, whole) != 0) return false;
  return rest == 0 || (n->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

bool network_covers(const struct network *wide, const struct network *narrow) {
  return wide->bits <= narrow->bits && holds(wide, narrow->address);
}

bool networks_hold(const struct network *networks, size_t count, struct slice peer) {
  uint8_t address[16];
  bool is_v4;
  while (peer.len && peer.data[peer.len - 1] != ':')
    peer.len--;
  if (peer.len) peer.len--;
  if (peer.len >= 2 && peer.data[0] == '[') peer = (struct slice){peer.data + 1, peer.len - 2};
  if (!parse_address(peer, address, &is_v4)) return false;
  for (size_t i = 0; i < count; i++)
    if (holds(&networks[i], address)) return true;
  return false;
}
