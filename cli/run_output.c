// SPDX-License-Identifier: Apache-2.0
//
// Lines of ranks become lines of the command, each whole, with the rank in
// front. A line is written when it has ended, so that those of several ranks
// do not mix.

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/run.h"

// Writes all of it. Waits if it has to, also for a descriptor that somebody
// has made one that does not block: a rank may share it.
static void write_all(int descriptor, const char* data, size_t size_bytes) {
  while (size_bytes > 0) {
    ssize_t count = write(descriptor, data, size_bytes);
    if (count > 0) {
      data += count;
      size_bytes -= (size_t)count;
    } else if (count < 0 && errno == EAGAIN) {
      struct pollfd wanted = {.fd = descriptor, .events = POLLOUT};
      (void)poll(&wanted, 1, -1);
    } else if (count == 0 || errno != EINTR) {
      // Nobody reads any more: the ranks' output is lost, as theirs would be.
      return;
    }
  }
}

static void write_line(weft_run_stream_t* stream) {
  write_all(stream->descriptor, stream->line, stream->used);
  stream->used = 0;
}

static void begin_line(weft_run_stream_t* stream) {
  int length =
      snprintf(stream->line, sizeof(stream->line), "[%u] ", stream->rank->rank);
  stream->used = length > 0 ? (size_t)length : 0;
}

static void add_byte(weft_run_stream_t* stream, char byte) {
  if (stream->used == 0) {
    begin_line(stream);
  }
  // One is left for the end of the line.
  if (stream->used == WEFT_RUN_LINE_BYTES - 1 && byte != '\n') {
    stream->line[stream->used++] = '\n';
    write_line(stream);
    begin_line(stream);
  }
  stream->line[stream->used++] = byte;
  if (byte == '\n') {
    write_line(stream);
  }
}

static void add(weft_run_stream_t* stream, const char* data,
                size_t size_bytes) {
  for (size_t i = 0; i < size_bytes; i++) {
    add_byte(stream, data[i]);
  }
}

// --- The pipe ---------------------------------------------------------------

static void lend_room(uv_handle_t* handle, size_t suggested, uv_buf_t* room) {
  (void)handle;
  (void)suggested;
  // One for all: what is read is dealt with before the next is.
  static char bytes[65536];
  *room = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t* handle, ssize_t count, const uv_buf_t* room) {
  weft_run_stream_t* stream = handle->data;
  if (count > 0) {
    add(stream, room->base, (size_t)count);
  } else if (count < 0) {
    weft_run_close_stream(stream);
  }
}

int weft_run_open_stream(weft_run_rank_t* rank, int which, int descriptor,
                         int* out_write_end) {
  weft_run_stream_t* stream = &rank->streams[which];
  *out_write_end = -1;
  stream->rank = rank;
  stream->descriptor = descriptor;
  // A pipe and not a pair of sockets: programs open /dev/stdout.
  uv_file ends[2];
  int error = uv_pipe(ends, UV_NONBLOCK_PIPE, 0);
  if (error != 0) {
    return error;
  }
  error = uv_pipe_init(&rank->run->loop, &stream->pipe, 0);
  if (error == 0) {
    stream->is_open = true;
    stream->pipe.data = stream;
    error = uv_pipe_open(&stream->pipe, ends[0]);
  }
  if (error != 0) {
    (void)close(ends[0]);
    (void)close(ends[1]);
    weft_run_close_stream(stream);
    return error;
  }
  *out_write_end = ends[1];
  return uv_read_start((uv_stream_t*)&stream->pipe, lend_room, on_read);
}

void weft_run_drain_stream(weft_run_stream_t* stream) {
  uv_os_fd_t descriptor;
  if (!stream->is_open ||
      uv_fileno((uv_handle_t*)&stream->pipe, &descriptor) != 0) {
    return;
  }
  char bytes[4096];
  ssize_t count;
  while ((count = read(descriptor, bytes, sizeof(bytes))) > 0) {
    add(stream, bytes, (size_t)count);
  }
}

void weft_run_close_stream(weft_run_stream_t* stream) {
  if (!stream->is_open) {
    return;
  }
  stream->is_open = false;
  if (stream->used > 0) {
    add_byte(stream, '\n');
  }
  uv_close((uv_handle_t*)&stream->pipe, NULL);
}
