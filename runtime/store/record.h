/* Ledger records as bytes: what segment files hold. A frame is
 *   u32 mark · u32 CRC-32C of what follows · u32 payload length · payload
 * in little endian; the payload is a row of fields, each a varint (tag * 2 + kind) and then a
 * varint (kind 0) or a varint length and that many bytes (kind 1). Unknown tags are skipped, so a
 * record of a later version can be read; absent ones are zero or empty. */
#pragma once
#include "model/ledger.h"

enum {
  RECORD_FRAME_BYTES = 12,
  RECORD_TEXT_MAX = 4096,      /* a longer plain text is cut */
  RECORD_JSON_MAX = 256 << 10, /* a longer JSON text is replaced by a note of its length */
  RECORD_BYTES_MAX = 1 << 20   /* no frame is longer */
};

/* Appends one frame. */
void record_encode(const struct ledger_record *record, struct bytes *out);

enum record_result {
  RECORD_WHOLE,   /* *record is set, its texts point into data; *size is the frame's */
  RECORD_SHORT,   /* data ends inside a frame that is fine so far */
  RECORD_DAMAGED, /* what stands here is no frame */
  RECORD_OLD,     /* a whole frame of an earlier life of its file; *size is set */
};

/* A file that serves again holds, behind what was written to it in its newest life, what is left
 * of earlier ones. So on disk a frame's checksum is xor the number of the life, from 0: this puts
 * it there, and takes it away again. */
void record_turn(char *frames, size_t bytes, uint32_t life);

enum record_result record_decode(struct slice data, struct ledger_record *record, size_t *size);
/* The same of a frame that was found whole: nobody looks at its checksum again. */
bool record_read(struct slice data, struct ledger_record *record, size_t *size);
/* Is there a frame, by its checksum alone? */
enum record_result record_check(struct slice data, uint32_t life, size_t *size);
/* Bytes to skip from the start of data, where no frame begins, to where one may. */
size_t record_resync(struct slice data);
/* The record as a JSON object: for logs and listings. */
void record_write_json(const struct ledger_record *record, struct bytes *out);
