/* Sizes of images from their first bytes, and what the published rules make of them. */
#include "account/image.h"

#include "check.h"

/* Made by hand: 300 x 200 in each format, cut after the size. */
static const struct made {
  const char *what, *base64;
  uint32_t width, height;
} images[] = {
    {"PNG", "iVBORw0KGgoAAAANSUhEUgAAASwAAADICAYAAAA=", 300, 200},
    {"GIF", "R0lGODlhLAHIAIAAAA==", 300, 200},
    {"WebP, lossy", "UklGRhAAAABXRUJQVlA4IAQAAAAAAACdASosAcgA", 300, 200},
    {"WebP, lossless", "UklGRhAAAABXRUJQVlA4TAQAAAAvK8ExAA==", 300, 200},
    {"WebP, extended", "UklGRhYAAABXRUJQVlA4WAoAAAAAAAAAKwEAxwAA", 300, 200},
    {"JPEG, plain", "/9j/4AAEAAD/wAARCADIASwDAREAAhEBAxEB", 300, 200},
    {"JPEG, progressive, behind fill bytes", "/9j//+AABAAA/8IAEQgAyAEsAwER", 300, 200},
};

static void test_sizes(void) {
  for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
    uint32_t width, height;
    struct slice text = slice_of(images[i].base64);
    bool found = image_size(text, &width, &height);
    CHECK(found && width == images[i].width && height == images[i].height);
    if (!found) printf("  %s: %u x %u\n", images[i].what, width, height);
    for (size_t len = 0; len < text.len;
         len++) /* cut anywhere: never more than asked for is read */
      (void)image_size((struct slice){text.data, len}, &width, &height);
  }
  uint32_t width, height;
  CHECK(!image_size(SLICE(""), &width, &height) && !image_size(SLICE("aGVsbG8="), &width, &height));
  CHECK(!image_size(SLICE("JVBERi0xLjcK"), &width, &height)); /* a document */
  CHECK(!image_size(SLICE("/9j//9j//9j//9j//9j//9j/"), &width, &height));
}

static uint64_t tokens(const char *model, uint32_t width, uint32_t height, bool is_low) {
  struct image_rule rule = image_rule_of(slice_of(model), false);
  return image_tokens(&rule, width, height, is_low);
}

/* Examples of the guides, and what OpenAI's users were billed (128 x 64). */
static void test_rules(void) {
  CHECK(tokens("gpt-4o", 1024, 1024, false) == 765 && tokens("gpt-4o", 2048, 4096, false) == 1105);
  CHECK(tokens("gpt-4o", 4096, 8192, true) == 85 &&
        tokens("openai/gpt-4o-2024-11-20", 128, 64, false) == 255);
  CHECK(tokens("gpt-4o-mini", 128, 64, false) == 8500 &&
        tokens("gpt-4o-mini", 128, 64, true) == 2833);
  CHECK(tokens("o3-2025-04-16", 128, 64, false) == 225 && tokens("o3", 128, 64, true) == 75);
  CHECK(tokens("o4-mini", 128, 64, false) == 14);
  CHECK(tokens("gpt-4.1-mini", 1024, 1024, false) == 1659); /* 1024 x 1.62 = 1658.88 */
  CHECK(tokens("gpt-4.1-mini", 1800, 2400, false) == 2353); /* 1452 x 1.62 = 2352.24 */
  CHECK(tokens("gpt-4.1-nano", 1800, 2400, false) == 3572); /* 1452 x 2.46 = 3571.92 */
  CHECK(tokens("gpt-4.1-mini", 4096, 4096, true) == 415);   /* 256 x 1.62 = 414.72 */
  CHECK(tokens("gpt-5", 1024, 1024, false) == 630 && tokens("gpt-5.1", 512, 512, false) == 210);
  CHECK(tokens("claude-sonnet-4-5", 200, 200, false) == 54); /* the guide: about 54 */
  CHECK(tokens("claude-sonnet-4-5", 1000, 1000, false) == 1334);
  CHECK(tokens("claude-opus-4-1", 1092, 1092, false) == 1590);
  CHECK(tokens("claude-opus-4-1", 8000, 8000, false) == 1600);
  CHECK(tokens("gpt-4o", 0, 0, false) == 765); /* not known */
  CHECK(tokens("own-vision", 1024, 1024, false) == 765);
  CHECK(tokens("gpt-4o", 1 << 24, 1, false) == 85 + 4 * 170);
  CHECK(tokens("gpt-4.1-mini", 1 << 24, 1, false) <= 2489);
}

static uint64_t of(const char *model, const char *json) {
  struct image_rule rule = image_rule_of(slice_of(model), false);
  return image_tokens_of_request(&rule, slice_of(json));
}

#define PNG "iVBORw0KGgoAAAANSUhEUgAAASwAAADICAYAAAA="

static void test_requests(void) {
  CHECK(of("gpt-4o", "{\"messages\":[{\"content\":\"an image\"}]}") == 0);
  CHECK(of("gpt-4o",
           "{\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;"
           "base64," PNG "\"}}]}") == 255);
  CHECK(of("gpt-4o",
           "{\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image\\/png;"
           "base64," PNG "\",\"detail\":\"low\"}},{\"type\":\"text\",\"text\":\"x\"},"
           "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://h/a.png\"}}]}") == 85 + 765);
  CHECK(of("gpt-4o",
           "{\"input\":[{\"type\":\"input_image\",\"detail\":\"low\",\"image_url\":\"data:image/"
           "png;base64," PNG "\"},{\"type\":\"input_image\",\"detail\":\"high\",\"image_url\":"
           "\"data:image/png;base64," PNG "\"}]}") == 85 + 255);
  CHECK(of("gpt-4o", "{\"input\":[{\"type\":\"input_image\",\"image_url\":\"https://h/1.png\"},"
                     "{\"type\":\"input_image\",\"file_id\":\"f\"}]}") == 2 * 765);
  CHECK(of("claude-sonnet-4-5",
           "{\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":"
           "\"image/png\","
           "\"data\":\"" PNG
           "\"}},{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://h/x\"}},"
           "{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/"
           "pdf\","
           "\"data\":\"JVBERi0xLjcK\"}}]}") == 80 + 1399);
  CHECK(of("gpt-4o", "{\"image\":\"") == 0);
}

int main(void) {
  test_sizes();
  test_rules();
  test_requests();
  return checks_end();
}
