/* What an image in a prompt costs in tokens, by the providers' published rules.
 * Sources: OpenAI, guide "Images and vision", calculating costs (tiles of 512 for gpt-4o, gpt-4.1,
 * gpt-5, o1 and o3; patches of 32 for their minis and nanos and o4-mini; small images are not
 * enlarged, as the API bills it); Anthropic, guide "Vision", image costs: width x height / 750,
 * after scaling to 1568 on the longer side and to some 1600 tokens. PNG (W3C), GIF 89a, JPEG (ITU
 * T.81), WebP (RFC 9649): where the size stands. */
#pragma once
#include "base/bytes.h"

struct image_rule {
  enum { IMAGE_TILES, IMAGE_PATCHES, IMAGE_AREA } kind;
  uint32_t base, tile; /* tokens: of any image, of each tile */
  uint32_t milli;      /* thousandths of a token for each patch */
};

/* By the provider's name of the model. is_anthropic: where the name says nothing. */
struct image_rule image_rule_of(struct slice model, bool is_anthropic);
/* From the first bytes of a PNG, JPEG, GIF or WebP in base64; false: none of them, or damaged. */
bool image_size(struct slice base64, uint32_t *width, uint32_t *height);
/* Width or height 0: not known, taken for 1024 x 1024. is_low: the client asked for little detail.
 */
uint64_t image_tokens(const struct image_rule *rule, uint32_t width, uint32_t height, bool is_low);
/* Of all images in a request of any protocol. */
uint64_t image_tokens_of_request(const struct image_rule *rule, struct slice json);
uint64_t image_count_of_request(struct slice json);
