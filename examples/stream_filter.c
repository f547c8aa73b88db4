// SPDX-License-Identifier: Apache-2.0
//
// A stream of frames passes three filters, each an actor of its own, through
// channels of a few slots:
//
//   source --> blur --> edges --> threshold --> sink
//
// In one process, or with `weft run -n 4` a process for each filter: the ends
// of the channels are sent to the actors that use them, and nothing else
// differs.
//
// A frame is made once and never copied: it lies in memory that all processes
// can read, each filter reads the one that it leased, makes its own and passes
// that on. When a stage is slow (--slow=2) the slots before it fill, and all
// those before it go at its pace; nothing grows.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

#define SIDE INT64_C(96)
#define PIXELS (SIDE * SIDE)
#define FILTERS 3
#define STAGES (FILTERS + 2)
#define SHOW_NS INT64_C(200000000)

static const char* const names[STAGES] = {"source", "blur", "edges",
                                          "threshold", "sink"};
static int64_t frame_count = 3000;
static int64_t slow_stage = -1;
static uint32_t slot_count = 4;

// --- Frames -----------------------------------------------------------------

static weft_status_t make_frame(weft_runtime_t* runtime,
                                weft_tensor_t** out_frame,
                                uint8_t** out_pixels) {
  void* data = NULL;
  WEFT_RETURN_IF_ERROR(weft_tensor_create_shared(
      runtime, WEFT_UINT8, 2, (int64_t[]){SIDE, SIDE}, out_frame));
  weft_status_t status = weft_tensor_mutable_data(*out_frame, &data);
  *out_pixels = data;
  if (status != WEFT_OK) {
    weft_tensor_release(*out_frame);
    *out_frame = NULL;
  }
  return status;
}

// A disc that moves over a chequered ground.
static void draw(int64_t number, uint8_t* pixels) {
  int64_t x0 = number * 3 % (2 * SIDE);
  int64_t y0 = number * 2 % (2 * SIDE);
  x0 = x0 < SIDE ? x0 : 2 * SIDE - x0;
  y0 = y0 < SIDE ? y0 : 2 * SIDE - y0;
  for (int64_t y = 0; y < SIDE; y++) {
    for (int64_t x = 0; x < SIDE; x++) {
      int64_t far = (x - x0) * (x - x0) + (y - y0) * (y - y0);
      int64_t shade = far < 400 ? 230 : (x / 12 + y / 12) % 2 * 60;
      pixels[y * SIDE + x] = (uint8_t)shade;
    }
  }
}

static int at(const uint8_t* pixels, int64_t x, int64_t y) {
  x = x < 0 ? 0 : x < SIDE ? x : SIDE - 1;
  y = y < 0 ? 0 : y < SIDE ? y : SIDE - 1;
  return pixels[y * SIDE + x];
}

static uint8_t blur(const uint8_t* in, int64_t x, int64_t y) {
  int sum = 0;
  for (int64_t i = 0; i < 9; i++) {
    sum += at(in, x + i % 3 - 1, y + i / 3 - 1);
  }
  return (uint8_t)(sum / 9);
}

static uint8_t edges(const uint8_t* in, int64_t x, int64_t y) {
  int across = at(in, x + 1, y) - at(in, x - 1, y);
  int down = at(in, x, y + 1) - at(in, x, y - 1);
  int sum = abs(across) + abs(down);
  return (uint8_t)(sum < 255 ? sum : 255);
}

static uint8_t threshold(const uint8_t* in, int64_t x, int64_t y) {
  return at(in, x, y) > 70 ? 255 : 0;
}

static uint8_t (*const filters[FILTERS])(const uint8_t* in, int64_t x,
                                         int64_t y) = {blur, edges, threshold};

// --- The meter: what each stage has done, shown now and then ----------------

typedef struct meter {
  int64_t done[STAGES];
  int64_t shown[STAGES];
  int64_t shown_ns;
} meter_t;

static weft_status_t meter_init(weft_context_t* context, weft_value_t init,
                                void** out_state) {
  *out_state = calloc(1, sizeof(meter_t));
  return *out_state != NULL ? WEFT_OK
                            : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                               "no memory for the meter");
}

static weft_status_t meter_count(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out) {
  meter_t* meter = state;
  int64_t now_ns = weft_runtime_now_ns(weft_context_runtime(context));
  meter->done[arguments[0].as.int64] = arguments[1].as.int64;
  int64_t passed_ns = now_ns - meter->shown_ns;
  if (passed_ns < SHOW_NS) {
    return WEFT_OK;
  }
  printf(isatty(STDOUT_FILENO) ? "\r" : "");
  for (int i = 0; i < STAGES && meter->shown_ns != 0; i++) {
    double rate =
        (double)(meter->done[i] - meter->shown[i]) / ((double)passed_ns / 1e9);
    printf("%s %6.0f/s  ", names[i], rate);
  }
  printf(isatty(STDOUT_FILENO) || meter->shown_ns == 0 ? "" : "\n");
  fflush(stdout);
  meter->shown_ns = now_ns;
  for (int i = 0; i < STAGES; i++) {
    meter->shown[i] = meter->done[i];
  }
  return WEFT_OK;
}

static const weft_parameter_t counts[] = {{"stage", WEFT_KIND_INT64},
                                          {"done", WEFT_KIND_INT64}};
static const weft_endpoint_t meter_endpoints[] = {
    {"count", meter_count, counts, 2}};
static const weft_class_t meter_class = {"meter",         1, meter_init, free,
                                         meter_endpoints, 1};

static weft_status_t tell(weft_runtime_t* runtime, weft_actor_t meter,
                          int64_t stage, int64_t done) {
  if (done % 50 != 0) {
    return WEFT_OK;
  }
  const weft_call_options_t options = {.try_only = true};
  // A count that finds no room is made up for by the next.
  weft_status_release(
      weft_send(runtime, meter, 0,
                WEFT_ARGUMENTS(weft_int64(stage), weft_int64(done)), &options));
  return WEFT_OK;
}

// --- Stages -----------------------------------------------------------------

static void be_slow(int64_t stage) {
  if (stage == slow_stage) {
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
  }
}

// Writes a frame and gives it away.
static weft_status_t pass_on(weft_writer_t* writer, weft_tensor_t* frame) {
  weft_value_t value = weft_tensor_into_value(frame);
  weft_status_t status = weft_writer_write(writer, value, WEFT_TIME_INFINITE);
  weft_value_release(value);
  return status;
}

static weft_status_t filter_one(weft_runtime_t* runtime, int64_t stage,
                                weft_value_t value, weft_writer_t* writer) {
  const weft_tensor_t* frame = NULL;
  weft_tensor_t* filtered = NULL;
  uint8_t* pixels = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(value, &frame));
  WEFT_RETURN_IF_ERROR(make_frame(runtime, &filtered, &pixels));
  const uint8_t* in = weft_tensor_data(frame);
  for (int64_t y = 0; y < SIDE; y++) {
    for (int64_t x = 0; x < SIDE; x++) {
      pixels[y * SIDE + x] = filters[stage - 1](in, x, y);
    }
  }
  be_slow(stage);
  return pass_on(writer, filtered);
}

static weft_status_t produce(weft_runtime_t* runtime, weft_writer_t* writer,
                             weft_actor_t meter) {
  for (int64_t i = 0; i < frame_count; i++) {
    weft_tensor_t* frame = NULL;
    uint8_t* pixels = NULL;
    WEFT_RETURN_IF_ERROR(make_frame(runtime, &frame, &pixels));
    draw(i, pixels);
    be_slow(0);
    WEFT_RETURN_IF_ERROR(pass_on(writer, frame));
    WEFT_RETURN_IF_ERROR(tell(runtime, meter, 0, i + 1));
  }
  return WEFT_OK;
}

static weft_status_t filter_all(weft_runtime_t* runtime, int64_t stage,
                                weft_reader_t* reader, weft_writer_t* writer,
                                weft_actor_t meter) {
  weft_status_t status = WEFT_OK;
  weft_lease_t lease;
  for (int64_t done = 1; status == WEFT_OK; done++) {
    status = weft_reader_read(reader, WEFT_TIME_INFINITE, &lease);
    if (status == WEFT_OK) {
      status = filter_one(runtime, stage, lease.value, writer);
      weft_lease_release(&lease);
    }
    if (status == WEFT_OK) {
      status = tell(runtime, meter, stage, done);
    }
  }
  // The stage before has closed: all has been filtered.
  bool is_end = weft_status_code(status) == WEFT_STATUS_CLOSED;
  if (is_end) {
    weft_status_release(status);
  }
  return is_end ? WEFT_OK : status;
}

// Arguments: which stage, the meter, the ends.
static weft_status_t stage_run(weft_context_t* context, void* state,
                               const weft_value_t* arguments,
                               weft_value_t* out) {
  weft_runtime_t* runtime = weft_context_runtime(context);
  int64_t stage = arguments[0].as.int64;
  weft_actor_t meter;
  weft_writer_t* writer = NULL;
  weft_reader_t* reader = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_as_actor(arguments[1], &meter));
  WEFT_RETURN_IF_ERROR(weft_writer_open(arguments[2], &writer));
  weft_status_t status = WEFT_OK;
  if (stage == 0) {
    status = produce(runtime, writer, meter);
  } else {
    status = weft_reader_open(arguments[3], &reader);
    if (status == WEFT_OK) {
      status = filter_all(runtime, stage, reader, writer, meter);
    }
  }
  weft_writer_close(writer, weft_status_retain(status));
  weft_writer_release(writer);
  weft_reader_release(reader);
  return status;
}

static const weft_parameter_t stage_parameters[] = {
    {"stage", WEFT_KIND_INT64},
    {"meter", WEFT_KIND_ACTOR},
    {"writer", WEFT_KIND_CHANNEL_END},
    {"reader", WEFT_KIND_ANY}};
static const weft_endpoint_t stage_endpoints[] = {
    {"run", stage_run, stage_parameters, 4}};
static const weft_class_t stage_class = {"stage",         1, NULL, NULL,
                                         stage_endpoints, 1};

// --- The line ---------------------------------------------------------------

// The source is at rank 0; the filters are at the others, if there are any.
static uint32_t place_of(weft_runtime_t* runtime, int64_t stage) {
  uint32_t others = weft_runtime_size(runtime) - 1;
  return stage == 0 || others == 0 ? 0 : 1 + (uint32_t)(stage - 1) % others;
}

// Starts a stage between two ends, which are handed over: whoever opens an end
// first has it, wherever that is.
static weft_status_t start_stage(weft_runtime_t* runtime, int64_t stage,
                                 weft_actor_t meter, weft_reader_t* reader,
                                 weft_writer_t* writer) {
  const weft_spawn_options_t options = {.place = place_of(runtime, stage),
                                        .own_thread = true};
  weft_actor_t actor;
  weft_value_t write_end = weft_writer_value(writer);
  weft_value_t read_end =
      reader != NULL ? weft_reader_value(reader) : weft_none();
  weft_status_t status =
      weft_spawn(runtime, &stage_class, weft_none(), &options, &actor);
  if (status == WEFT_OK) {
    status =
        weft_send(runtime, actor, 0,
                  WEFT_ARGUMENTS(weft_int64(stage), weft_actor_value(meter),
                                 write_end, read_end),
                  NULL);
  }
  weft_value_release(write_end);
  weft_value_release(read_end);
  weft_writer_release(writer);
  weft_reader_release(reader);
  return status;
}

// Makes the channels and starts the stages; gives the end of the line.
static weft_status_t start_line(weft_runtime_t* runtime, weft_actor_t meter,
                                weft_reader_t** out_reader) {
  *out_reader = NULL;
  for (int64_t stage = 0; stage <= FILTERS; stage++) {
    const weft_channel_options_t options = {.name = names[stage],
                                            .slot_count = slot_count};
    weft_writer_t* writer = NULL;
    weft_reader_t* before = *out_reader;
    *out_reader = NULL;
    weft_status_t status =
        weft_channel_create(runtime, &options, &writer, out_reader);
    if (status == WEFT_OK) {
      status = start_stage(runtime, stage, meter, before, writer);
    } else {
      weft_reader_release(before);
    }
    WEFT_RETURN_IF_ERROR(status);
  }
  return WEFT_OK;
}

// FNV-1a over all that comes, so that two runs can be compared.
static weft_status_t consume(weft_runtime_t* runtime, weft_reader_t* reader,
                             weft_actor_t meter, uint64_t* out_digest,
                             int64_t* out_count) {
  weft_lease_t lease;
  weft_status_t status;
  *out_digest = UINT64_C(0xcbf29ce484222325);
  *out_count = 0;
  while ((status = weft_reader_read(reader, WEFT_TIME_INFINITE, &lease)) ==
         WEFT_OK) {
    const weft_tensor_t* frame = NULL;
    WEFT_RETURN_IF_ERROR(weft_value_as_tensor(lease.value, &frame));
    const uint8_t* pixels = weft_tensor_data(frame);
    for (int64_t i = 0; i < PIXELS; i++) {
      *out_digest = (*out_digest ^ pixels[i]) * UINT64_C(0x100000001b3);
    }
    be_slow(STAGES - 1);
    weft_lease_release(&lease);
    ++*out_count;
    WEFT_RETURN_IF_ERROR(tell(runtime, meter, STAGES - 1, *out_count));
  }
  bool is_end = weft_status_code(status) == WEFT_STATUS_CLOSED;
  if (is_end) {
    weft_status_release(status);
  }
  return is_end ? WEFT_OK : status;
}

// --- What it took -----------------------------------------------------------

static weft_status_t add(weft_value_t report, const char* key, double* total) {
  weft_value_t value = weft_none();
  int64_t number = 0;
  WEFT_RETURN_IF_ERROR(weft_map_get(report, key, &value));
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(value, &number));
  *total += (double)number;
  return WEFT_OK;
}

static weft_status_t add_rank(weft_runtime_t* runtime, uint32_t rank,
                              double* lent, double* copied) {
  weft_future_t* future = NULL;
  weft_value_t report = weft_none();
  WEFT_RETURN_IF_ERROR(weft_runtime_report(runtime, rank, &future));
  weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, &report);
  weft_future_release(future);
  if (status == WEFT_OK) {
    status = add(report, "bytes_lent", lent);
  }
  if (status == WEFT_OK) {
    status = add(report, "bytes_copied", copied);
  }
  weft_value_release(report);
  return status;
}

static weft_status_t show_end(weft_runtime_t* runtime, int64_t count,
                              int64_t passed_ns, uint64_t digest) {
  double seconds = (double)passed_ns / 1e9;
  double lent = 0;
  double copied = 0;
  for (uint32_t rank = 0; rank < weft_runtime_size(runtime); rank++) {
    WEFT_RETURN_IF_ERROR(add_rank(runtime, rank, &lent, &copied));
  }
  printf(
      "%s%lld frames through %d filters in %.2f s, %.0f a second; digest "
      "%016llx\n"
      "%u processes; %.1f MB lent to others, %.0f bytes copied\n",
      isatty(STDOUT_FILENO) ? "\n" : "", (long long)count, FILTERS, seconds,
      (double)count / seconds, (unsigned long long)digest,
      weft_runtime_size(runtime), lent / 1e6, copied);
  return WEFT_OK;
}

static weft_status_t run(weft_runtime_t* runtime, void* user) {
  const weft_spawn_options_t here = {.place = WEFT_PLACE_HERE};
  weft_actor_t meter;
  weft_reader_t* reader = NULL;
  uint64_t digest = 0;
  int64_t count = 0;
  int64_t begun_ns = weft_runtime_now_ns(runtime);
  WEFT_RETURN_IF_ERROR(
      weft_spawn(runtime, &meter_class, weft_none(), &here, &meter));
  weft_status_t status = start_line(runtime, meter, &reader);
  if (status == WEFT_OK) {
    status = consume(runtime, reader, meter, &digest, &count);
  }
  weft_reader_release(reader);
  WEFT_RETURN_IF_ERROR(status);
  return show_end(runtime, count, weft_runtime_now_ns(runtime) - begun_ns,
                  digest);
}

static bool parse(int count, char** words) {
  static const struct option table[] = {
      {"frames", required_argument, NULL, 'f'},
      {"slow", required_argument, NULL, 's'},
      {"slots", required_argument, NULL, 'k'},
      {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(count, words, "", table, NULL)) != -1) {
    char* end = NULL;
    long long number = optarg != NULL ? strtoll(optarg, &end, 10) : -1;
    bool is_whole = number >= 0 && end != optarg && *end == '\0';
    if (option == '?' || !is_whole) {
      fprintf(stderr,
              "Usage: stream_filter [--frames=N] [--slow=STAGE] [--slots=N]\n"
              "STAGE: 0 source, 1 to 3 a filter, 4 sink; it takes 2 ms longer "
              "for each frame.\n");
      return false;
    }
    frame_count = option == 'f' ? number : frame_count;
    slow_stage = option == 's' ? number : slow_stage;
    slot_count = option == 'k' ? (uint32_t)number : slot_count;
  }
  return true;
}

int main(int count, char** words) {
  static const weft_class_t* const classes[] = {&stage_class, &meter_class};
  const weft_runtime_options_t options = {.classes = classes, .class_count = 2};
  return parse(count, words) ? weft_runtime_main(&options, run, NULL) : 2;
}
