// SPDX-License-Identifier: Apache-2.0
//
// The ring of src/channel/ring.h for spin: one writer, and readers each in a
// process of its own. In it are how values are shown and released, how the two
// sides sleep (src/channel/part.c, src/async/park.c) and ring each other
// (place.c, feed.c), readers that leave, and values that come by a frame. Not
// in it is how a reader comes to the ring.
//
// A step is one load or store of memory that the other side sees, together with
// what is done before or behind it under the lock of one's own part. Frames
// take as long as they like and are not lost. Of what is between the writing of
// a bell and its arrival nothing depends on when it is written: here that is
// the moment at which it arrives.
//
// What must hold: a reader finds the value that it looks for, whole, until it
// has released it (assertions), and everybody comes to the end (there is no
// other state in which nothing goes on).
//
// READERS (1 or 2), SLOTS, VALUES   how many
// SLEEPERS                          of the readers; the others look again
// FUTURES                           who waits asks for a future
// FRAMES                            values may go by frames
// LEAVING                           readers may leave
//
// FAULT_... plants a fault, which has to be found; see run.sh.

#define NONE 255
// What is in a slot that is being filled.
#define TORN 254

#if READERS == 2
#define OF_OTHERS(expression) expression
#else
#define OF_OTHERS(expression)
#endif

// --- Memory of the writer's process, which readers see ----------------------

byte shown[SLOTS];
byte datum[SLOTS];
bool is_by_frame[SLOTS];
// `asleep` of the head.
byte writer_asleep;

// --- Memory of a reader's process, which the writer sees --------------------

byte cursor_low[READERS];
byte reader_asleep[READERS];

// --- The part of the hub ----------------------------------------------------

bool hub_lock;
bool is_ringed[READERS] = true;
// The writer is among those who wait; it was woken.
bool writer_waits;
bool writer_is_woken;
// Of a place: a bell is on its way, and another is due.
bool is_ringing[READERS];
bool is_due[READERS];
// Values by frames that are on their way.
chan frames[READERS] = [SLOTS] of { byte };

// --- The part of a reader ---------------------------------------------------

bool part_lock[READERS];
bool reader_waits[READERS];
bool reader_is_woken[READERS];
byte next[READERS];
// Slots with what the reader has read, or what has come by a frame.
bool is_held[READERS * SLOTS];
// Every value below is released, and whoever waits for it was looked for.
byte low_told[READERS];
bool has_left[READERS];
bool is_bell_due[READERS];
bool is_telling[READERS];

#define SLOT(n) ((n) % SLOTS)
#define HELD(r, n) is_held[(r) * SLOTS + SLOT(n)]

// --- Writing ----------------------------------------------------------------

// The value that has to be released before value n is written.
#define NEEDED (n - SLOTS)

inline look_at_cursor(r) {
  if
  :: holder == NONE && n >= SLOTS && is_ringed[r] && cursor_low[r] <= NEEDED ->
    holder = r
  :: else
  fi
}

// Finds the first reader that has not released it, in two steps of two readers.
inline look_at_first() {
  holder = NONE;
  look_at_cursor(0)
}

inline look_at_second() {
#if READERS == 2 && !defined(FAULT_LOOKS_AT_ONE_CURSOR)
  look_at_cursor(1)
#else
  skip
#endif
}

inline fill() {
  datum[SLOT(n)] = n;
#ifdef FRAMES
  if
  :: is_by_frame[SLOT(n)] = true
  :: is_by_frame[SLOT(n)] = false
  fi
#endif
}

inline look_whether_it_sleeps(r) {
  rings[r] = is_ringed[r] && reader_asleep[r] == n + 1;
  // No later look finds such a number: one state less for each of them.
  reader_asleep[r] = (reader_asleep[r] <= n + 1 -> 0 : reader_asleep[r])
}

// It leaves once the lock is free.
inline send_frame(r) {
  if
  :: is_by_frame[SLOT(n)] && is_ringed[r] -> frames[r] ! n
  :: else
  fi
}

inline ring_bell(r) {
  if
  :: rings[r] ->
#ifndef FAULT_BELL_TO_A_READER_IS_DROPPED
    is_due[r] = is_ringing[r];
#endif
    is_ringing[r] = true;
    rings[r] = false
  :: else
  fi
}

active proctype writer() {
  byte n;
  byte holder;
  bool rings[READERS];

turn:
  atomic {
    hub_lock = true;
    look_at_first()
  }
  atomic {
    look_at_second();
    if
    :: !is_ringed[0] OF_OTHERS(&& !is_ringed[1]) -> goto end_of_writer
    :: else
    fi;
    if
    :: holder == NONE -> goto put
    :: else -> holder = NONE
    fi
  }
#ifdef FUTURES
  // As `would_block_locked`.
  writer_asleep = NEEDED + 1;
  atomic { look_at_first() }
  atomic {
    look_at_second();
    if
    :: holder == NONE -> goto put
    :: else -> holder = NONE; writer_waits = true; hub_lock = false
    fi
  }
#else
  // As `sleep_locked`: what there is to look at.
  atomic { look_at_first() }
  atomic {
    look_at_second();
    if
#ifndef FAULT_SLEEPS_FOR_WHAT_HAS_COME
    :: holder == NONE -> goto put
#endif
    :: else -> writer_waits = true; hub_lock = false
    fi
  }
  // As `weft_park`.
  atomic {
    if
    :: holder == NONE -> goto sleep
    :: holder != NONE && cursor_low[holder] > NEEDED -> goto awake
    :: else
    fi
  }
  writer_asleep = NEEDED + 1;
  atomic {
    if
#ifndef FAULT_WRITER_LOOKS_ONCE
    :: cursor_low[holder] > NEEDED -> goto awake
#endif
    :: else -> holder = NONE
    fi
  }
#endif
sleep:
  writer_is_woken;
awake:
  atomic {
    holder = NONE;
    writer_waits = false;
    writer_is_woken = false;
    goto turn
  }

put:
  datum[SLOT(n)] = TORN;
#ifdef FAULT_SHOWS_WHAT_IS_NOT_WHOLE
  shown[SLOT(n)] = n + 1;
#endif
#ifdef FAULT_LOOKS_WHO_SLEEPS_BEFORE_IT_SHOWS
  atomic { look_whether_it_sleeps(0) }
  OF_OTHERS(atomic { look_whether_it_sleeps(1) })
#endif
  atomic {
    fill();
    shown[SLOT(n)] = n + 1
  }
#ifndef FAULT_LOOKS_WHO_SLEEPS_BEFORE_IT_SHOWS
  atomic { look_whether_it_sleeps(0) }
  OF_OTHERS(atomic { look_whether_it_sleeps(1) })
#endif
  atomic {
    send_frame(0);
    OF_OTHERS(send_frame(1);)
    hub_lock = false
  }
  atomic {
    ring_bell(0);
    OF_OTHERS(ring_bell(1);)
    n++;
    if
    :: n < VALUES -> goto turn
    :: else -> goto end
    fi
  }
end_of_writer:
  hub_lock = false;
end:
  skip
}

inline wake_writer() {
  if
  :: writer_waits -> writer_waits = false; writer_is_woken = true
  :: else
  fi
}

inline wake_reader() {
  if
  :: reader_waits[r] -> reader_waits[r] = false; reader_is_woken[r] = true
  :: else
  fi
}

// A bell comes to a reader; then as `end_bell`.
proctype bells(byte r) {
end:
  do
  :: atomic { is_ringing[r] && !part_lock[r] -> wake_reader() }
    atomic {
      !hub_lock;
      is_ringing[r] = is_due[r];
      is_due[r] = false
    }
  od
}

// A value comes to a reader.
proctype values(byte r) {
  byte n;
end:
  do
  :: atomic {
      nempty(frames[r]) && !part_lock[r] && !hub_lock -> frames[r] ? n;
      if
      :: has_left[r]
      :: else ->
        assert(n >= next[r] && !HELD(r, n));
        HELD(r, n) = true;
#ifndef FAULT_A_FRAME_WAKES_NOBODY
        wake_reader()
#endif
      fi;
      n = 0
    }
  od
}

// What a reader has to tell comes to the hub; then as `end_told`.
proctype words(byte r) {
end:
  do
  :: atomic {
      is_telling[r] && !part_lock[r] && !hub_lock ->
      if
      :: is_bell_due[r] -> is_bell_due[r] = false; wake_writer()
      :: else
      fi;
      if
      :: has_left[r] && is_ringed[r] ->
        is_ringed[r] = false;
#ifndef FAULT_NOBODY_HEARS_OF_A_LEAVER
        wake_writer()
#endif
      :: else
      fi
    }
    atomic {
      !part_lock[r];
#ifdef FAULT_BELL_TO_THE_WRITER_IS_DROPPED
      is_telling[r] = has_left[r] && is_ringed[r]
#else
      is_telling[r] = is_bell_due[r] || (has_left[r] && is_ringed[r])
#endif
    }
  od
}

// --- Reading ----------------------------------------------------------------

#define IS_SHOWN (shown[SLOT(next[r])] > next[r])
#define COMES_BY_FRAME (IS_SHOWN && is_by_frame[SLOT(next[r])])
// It is here, or in the ring.
#define HAS (HELD(r, next[r]) || (IS_SHOWN && !COMES_BY_FRAME))

inline fetch() {
  assert(shown[SLOT(next[r])] == next[r] + 1);
  assert(datum[SLOT(next[r])] == next[r]);
  HELD(r, next[r]) = true;
  next[r]++;
#ifdef FAULT_RELEASES_WHAT_IT_READS
  cursor_low[r] = next[r];
#endif
  part_lock[r] = false
}

// Gives value n back, whose turn it may not be: the cursor passes it with those
// before.
inline give_back(n) {
  assert(shown[SLOT(n)] == n + 1 && datum[SLOT(n)] == n);
  HELD(r, n) = false;
  do
  :: low < next[r] && !HELD(r, low) -> low++
  :: else -> break
  od;
  if
  :: low == low_told[r] -> goto turn
  :: else
  fi;
  part_lock[r] = true;
#ifndef FAULT_LOOKS_WHO_SLEEPS_BEFORE_IT_RELEASES
  cursor_low[r] = low;
#else
  asleep = writer_asleep;
#endif
  goto look_for_writer
}

inline look_whether_writer_sleeps() {
  if
#ifndef FAULT_RINGS_FOR_THE_LAST_OF_SEVERAL
  :: asleep > low_told[r] && asleep <= low ->
#else
  :: asleep == low ->
#endif
    is_bell_due[r] = true;
    is_telling[r] = true
  :: else
  fi;
  asleep = 0;
  low_told[r] = low;
  // As above.
  if
  :: writer_asleep <= low_told[0] OF_OTHERS(&& writer_asleep <= low_told[1]) ->
    writer_asleep = 0
  :: else
  fi;
  part_lock[r] = false
}

proctype reader(byte r) {
  byte low;
  byte asleep;
  bool watches;
turn:
  if
  // Whoever keeps what is in the slot of the next one would wait for itself.
  :: atomic {
      next[r] < VALUES && next[r] - low < SLOTS ->
      if
      :: HAS -> fetch(); goto turn
      :: !HAS && r < SLEEPERS -> part_lock[r] = true; goto wait
      fi
    }
  :: atomic { low < next[r] -> give_back(low) }
#if SLOTS > 1
  :: atomic { low + 1 < next[r] && HELD(r, low + 1) -> give_back(low + 1) }
#endif
#ifdef LEAVING
  :: atomic {
      low == next[r] && low < VALUES ->
      has_left[r] = true;
      is_telling[r] = true;
      goto end
    }
#endif
  :: low == VALUES -> goto end
  fi;

wait:
#ifdef FUTURES
  // As `would_block_locked`.
  reader_asleep[r] = next[r] + 1;
  atomic {
    if
    :: HAS -> fetch(); goto turn
    :: else -> reader_waits[r] = true; part_lock[r] = false
    fi
  }
#else
  // As `sleep_locked`: whether there is anything to look at.
  atomic {
    watches = !COMES_BY_FRAME;
    if
    :: !watches && HELD(r, next[r]) -> fetch(); goto turn
    :: else -> reader_waits[r] = true; part_lock[r] = false
    fi
  }
  // As `weft_park`.
  atomic {
    if
    :: !watches -> goto sleep
    :: watches && IS_SHOWN -> goto awake
    :: else -> watches = false
    fi
  }
  reader_asleep[r] = next[r] + 1;
#ifndef FAULT_READER_LOOKS_ONCE
  atomic {
    if
    :: IS_SHOWN -> goto awake
    :: else
    fi
  }
#endif
#endif
sleep:
  reader_is_woken[r];
awake:
  atomic {
    watches = false;
    reader_waits[r] = false;
    reader_is_woken[r] = false;
    goto turn
  }

look_for_writer:
  atomic {
#ifndef FAULT_LOOKS_WHO_SLEEPS_BEFORE_IT_RELEASES
    asleep = writer_asleep;
#else
    cursor_low[r] = low;
#endif
    look_whether_writer_sleeps();
    goto turn
  }
end:
  skip
}

init {
  atomic {
    byte i;
    for (i : 0 .. READERS - 1) {
      run reader(i);
      run bells(i);
      run values(i);
      run words(i)
    }
  }
}
