// SPDX-License-Identifier: Apache-2.0

#include "sys/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static weft_status_t open_failed(const char* path, int error) {
  return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                          "cannot write to %s: %s", path,
                          strerrordesc_np(error));
}

static weft_status_t write_failed(int error) {
  bool is_full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return weft_status_make(
      is_full ? WEFT_STATUS_RESOURCE_EXHAUSTED : WEFT_STATUS_DATA_LOSS,
      "the file takes no more: %s", strerrordesc_np(error));
}

static weft_status_t check_regular(int descriptor, const char* path) {
  struct stat facts;
  if (fstat(descriptor, &facts) != 0) {
    return open_failed(path, errno);
  }
  if (!S_ISREG(facts.st_mode)) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "cannot write to %s: it is no regular file", path);
  }
  return WEFT_OK;
}

// The lock belongs to this opening of the file, so it also keeps other
// openings by the same process away; the system drops it with the descriptor.
static weft_status_t take(int descriptor, const char* path) {
  WEFT_RETURN_IF_ERROR(check_regular(descriptor, path));
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (fcntl(descriptor, F_OFD_SETLK, &whole) != 0 &&
      (errno == EAGAIN || errno == EACCES)) {
    return weft_status_make(WEFT_STATUS_ALREADY_EXISTS,
                            "%s is being written by somebody else", path);
  }
  // Any other failure means that this file system has no locks.
  if (ftruncate(descriptor, 0) != 0) {
    return open_failed(path, errno);
  }
  return WEFT_OK;
}

weft_status_t weft_sys_file_open(weft_sys_file_t* file, const char* path) {
  file->descriptor = -1;
  // Non-blocking: a pipe that nobody reads is refused, not waited for.
  int descriptor =
      open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
  if (descriptor < 0) {
    return open_failed(path, errno);
  }
  weft_status_t status = take(descriptor, path);
  if (status == WEFT_OK) {
    file->descriptor = descriptor;
  } else {
    close(descriptor);
  }
  return status;
}

weft_status_t weft_sys_file_write_at(const weft_sys_file_t* file,
                                     const char* bytes, size_t count,
                                     uint64_t offset) {
  while (count > 0) {
    ssize_t taken = pwrite(file->descriptor, bytes, count, (off_t)offset);
    if (taken > 0) {
      bytes += taken;
      count -= (size_t)taken;
      offset += (uint64_t)taken;
    } else if (taken == 0) {
      return write_failed(ENOSPC);
    } else if (errno != EINTR) {
      return write_failed(errno);
    }
  }
  return WEFT_OK;
}

bool weft_sys_file_cut(const weft_sys_file_t* file, uint64_t size_bytes) {
  return ftruncate(file->descriptor, (off_t)size_bytes) == 0;
}

void weft_sys_file_close(weft_sys_file_t* file) {
  if (file->descriptor >= 0) {
    close(file->descriptor);
    file->descriptor = -1;
  }
}
