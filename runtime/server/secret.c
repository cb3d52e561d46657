#include "server/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "load.h"

enum { TEXT_BYTES = 2 * SHA256_BYTES };

/* NULL, or what is wrong; "" when there is no such file. */
static const char *read_file(const char *path, uint8_t out[SHA256_BYTES]) {
  char text[TEXT_BYTES + 2];
  struct stat info;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return errno == ENOENT ? "" : strerror(errno);
  bool is_plain = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  ssize_t got = is_plain ? read(fd, text, sizeof text) : -1;
  close(fd);
  if (!is_plain) return "it is no plain file";
  if (info.st_mode & 077) return "others may read it; chmod 600 it";
  size_t len = got < 0 ? 0 : (size_t)got;
  if (len && text[len - 1] == '\n') len--;
  return digest_from_hex((struct slice){text, len}, out, SHA256_BYTES)
             ? NULL
             : "it holds no secret of 64 hexadecimal digits; restore it from a backup: without it "
               "no key of the store is accepted";
}

/* Written under another name and linked: another process sees a whole one or none. */
static const char *make_file(const char *path) {
  char text[TEXT_BYTES + 2];
  uint8_t secret[SHA256_BYTES];
  struct bytes name;
  digest_random(secret, sizeof secret);
  digest_hex(secret, sizeof secret, text);
  text[TEXT_BYTES] = '\n';
  bytes_init(&name);
  bytes_printf(&name, "%s.%ld", path, (long)getpid());
  const char *draft = bytes_text(&name), *why = NULL;
  int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, text, TEXT_BYTES + 1) != TEXT_BYTES + 1 || fsync(fd) != 0 ||
      (link(draft, path) != 0 && errno != EEXIST))
    why = strerror(errno);
  if (fd >= 0) {
    close(fd);
    unlink(draft);
  }
  bytes_fini(&name);
  return why;
}

bool server_secret_read(const struct config *config, uint8_t out[SHA256_BYTES],
                        struct config_problems *problems) {
  if (config->auth.has_secret) {
    memcpy(out, config->auth.secret, SHA256_BYTES);
    return true;
  }
  struct bytes path;
  bytes_init(&path);
  load_store_file(config, &path);
  if (!path.len) {
    digest_random(out, SHA256_BYTES);
    bytes_fini(&path);
    return true;
  }
  bytes_append_text(&path, ".secret");
  const char *why = read_file(bytes_text(&path), out);
  if (why && !*why) {
    why = make_file(bytes_text(&path));
    if (!why) why = read_file(bytes_text(&path), out);
  }
  if (why)
    config_problem(problems, "%s: auth.secret: %s: %s", config->file, bytes_text(&path), why);
  bytes_fini(&path);
  return why == NULL;
}
