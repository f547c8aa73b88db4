// SPDX-License-Identifier: Apache-2.0

#include "sys/signal.h"
#include "trace/text.h"
#include "trace/trace_internal.h"

#define STANDARD_ERROR 2
#define LINE_CAPACITY 200

// Runs in the handler of the signal.
static void report_crash(void* user, int signal_number) {
  weft_runtime_t* runtime = user;
  char line[LINE_CAPACITY];
  char name[WEFT_SYS_THREAD_NAME_CAPACITY];
  weft_text_t text = {.buffer = line, .capacity = sizeof(line)};
  weft_sys_thread_name(name);
  weft_text_string(&text, "weft: error: ");
  weft_text_string(&text, weft_signal_name(signal_number));
  weft_text_string(&text, " in thread ");
  weft_text_number(&text, weft_sys_thread_id(), 1);
  weft_text_string(&text, " \"");
  weft_text_string(&text, name);
  weft_text_string(&text, "\" of process ");
  weft_text_number(&text, weft_sys_process_id(), 1);
  weft_text_char(&text, '\n');
  // There is nobody to tell that standard error takes nothing.
  (void)weft_sys_write(STANDARD_ERROR, line, text.length);
  weft_flight_dump(runtime, STANDARD_ERROR);
}

weft_status_t weft_crash_handler_install(weft_runtime_t* runtime) {
  return weft_signal_install(report_crash, runtime);
}

void weft_crash_handler_remove(weft_runtime_t* runtime) {
  weft_signal_remove(runtime);
}
