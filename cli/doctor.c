// SPDX-License-Identifier: Apache-2.0
//
// weft doctor: runs the checks and reports them.

#include "cli/doctor.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

enum { DOCTOR_JSON, DOCTOR_COUNT };

static const weft_cli_option_t options[DOCTOR_COUNT] = {
    [DOCTOR_JSON] = {"json", 0, WEFT_CLI_FLAG, NULL, "one JSON object", 0, 0,
                     NULL},
};

static const weft_doctor_checks_t* const groups[] = {
    &weft_doctor_build,
    &weft_doctor_system,
    &weft_doctor_limits,
};
#define GROUP_COUNT (sizeof(groups) / sizeof(groups[0]))

static const char* const state_names[] = {
    [WEFT_DOCTOR_OK] = "ok",
    [WEFT_DOCTOR_WARN] = "warn",
    [WEFT_DOCTOR_FAIL] = "fail",
};
static const char* const state_colors[] = {
    [WEFT_DOCTOR_OK] = "\033[32m",
    [WEFT_DOCTOR_WARN] = "\033[33m",
    [WEFT_DOCTOR_FAIL] = "\033[31m",
};

// Takes one finding after the other, and says how many there were of each.
typedef struct report {
  const weft_cli_call_t* call;
  // NULL unless the report is JSON.
  json_t* list;
  const char* group;
  size_t counts[3];
  bool failed;
} report_t;

// --- As text ----------------------------------------------------------------

static void print_finding(report_t* report, const weft_doctor_check_t* check,
                          const weft_doctor_finding_t* finding) {
  bool color = report->call->color;
  if (report->group == NULL || strcmp(report->group, check->group) != 0) {
    (void)printf("%s%s%s%s\n", report->group == NULL ? "" : "\n",
                 color ? "\033[1m" : "", check->group, color ? "\033[0m" : "");
    report->group = check->group;
  }
  (void)printf("  %s%-4s%s  %-15s %s\n",
               color ? state_colors[finding->state] : "",
               state_names[finding->state], color ? "\033[0m" : "", check->name,
               finding->value);
  if (finding->state != WEFT_DOCTOR_OK) {
    (void)printf("        %s\n        fix: %s\n", check->why, check->fix);
  }
}

// --- As JSON ----------------------------------------------------------------

static void append_finding(report_t* report, const weft_doctor_check_t* check,
                           const weft_doctor_finding_t* finding) {
  json_t* object =
      json_pack("{s:s,s:s,s:s,s:s,s:s}", "group", check->group, "name",
                check->name, "state", state_names[finding->state], "value",
                finding->value, "why", check->why);
  if (object != NULL && finding->state != WEFT_DOCTOR_OK) {
    report->failed |=
        json_object_set_new(object, "fix", json_string(check->fix)) != 0;
  }
  report->failed |= json_array_append_new(report->list, object) != 0;
}

// Writes the whole report; takes the list over.
static bool write_json(report_t* report) {
  json_t* object =
      json_pack("{s:i,s:o,s:i,s:i,s:i}", "schema", 1, "checks", report->list,
                "ok", (int)report->counts[WEFT_DOCTOR_OK], "warned",
                (int)report->counts[WEFT_DOCTOR_WARN], "failed",
                (int)report->counts[WEFT_DOCTOR_FAIL]);
  bool ok = object != NULL && !report->failed &&
            json_dumpf(object, stdout, JSON_COMPACT) == 0;
  (void)printf("\n");
  json_decref(object);
  return ok;
}

// --- The verb ---------------------------------------------------------------

static void look_at_all(report_t* report) {
  const weft_doctor_host_t host = {.root = ""};
  for (size_t i = 0; i < GROUP_COUNT; i++) {
    for (size_t j = 0; j < groups[i]->count; j++) {
      const weft_doctor_check_t* check = &groups[i]->checks[j];
      weft_doctor_finding_t finding = {0};
      check->look(&host, &finding);
      report->counts[finding.state]++;
      if (report->list != NULL) {
        append_finding(report, check, &finding);
      } else {
        print_finding(report, check, &finding);
      }
    }
  }
}

static weft_cli_exit_t run_doctor(const weft_cli_call_t* call) {
  report_t report = {.call = call};
  bool is_json = call->values[DOCTOR_JSON].is_set;
  if (is_json) {
    report.list = json_array();
    if (report.list == NULL) {
      weft_cli_complain("no memory for the report");
      return WEFT_CLI_EXHAUSTED;
    }
  }
  look_at_all(&report);
  if (is_json && !write_json(&report)) {
    if (!ferror(stdout)) {
      weft_cli_complain("no memory for the report");
    }
    return WEFT_CLI_FAILED;
  }
  if (!is_json) {
    (void)printf("\n%zu ok, %zu warned, %zu failed\n",
                 report.counts[WEFT_DOCTOR_OK], report.counts[WEFT_DOCTOR_WARN],
                 report.counts[WEFT_DOCTOR_FAIL]);
  }
  return report.counts[WEFT_DOCTOR_FAIL] == 0 ? WEFT_CLI_OK : WEFT_CLI_FAILED;
}

const weft_cli_verb_t weft_cli_doctor = {
    .name = "doctor",
    .summary = "check what this build and this host have",
    .operands = "",
    .description =
        "Checks the build and the host: what weft needs, what slows it\n"
        "down, and the line that mends it. Ends with 0 when nothing fails;\n"
        "warnings do not count.",
    .options = options,
    .option_count = DOCTOR_COUNT,
    .run = run_doctor,
};
