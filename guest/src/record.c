/* The guest's log on its own disk: what a disk acknowledged, and who wrote it, can be proven afterwards.
 *
 * The log is a ring of sectors in front of the partition, written past every cache and flushed: when
 * `write` answers "ok", the disk has it.  One record is one line in one sector:
 *
 *     SEQ BOOT RUN KIND NUMBER WALL_MS FLAG PREVIOUS SUM
 *
 * RUN differs with each boot of each copy of the machine, even between two copies with one boot count.
 * SUM covers the line and the sum before it, so the records are a chain.  Before each write the last
 * record is read back: if it is not what this copy wrote, somebody else writes this disk, and FLAG is
 * "foreign" instead of "own".
 *
 * As a page:     /cgi-bin/write?n=NUMBER   /cgi-bin/log?from=SEQ   /cgi-bin/writer?ms=PERIOD (0: none)
 * As a program:  record write NUMBER       record log [SEQ]        record loop PERIOD_MS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef DISK
#define DISK "/dev/vda"
#define RUN "/run"
#endif
#define SECTOR 512
#ifndef SLOTS
#error "how many sectors lie between the boot sector and the partition?"
#endif
#define CHUNK 128      /* sectors read at once */
#define SHOWN 1000     /* records shown unless asked for more */

struct log {
  int disk;            /* the whole disk, past the page cache */
  unsigned long seq;   /* of the last record; 0: none */
  char run[37];        /* this boot of this copy */
  char last[SECTOR];   /* the last record, as this copy wrote or found it */
};

static int page;       /* whether we answer a browser */
static char *buffer;   /* aligned, for the disk */

static void answer(const char *status, const char *format, ...) {
  va_list words;
  if (page) printf("Status: %s\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n\r\n", status);
  va_start(words, format);
  vprintf(format, words);
  va_end(words);
  fflush(stdout);
}

static void die(const char *what) {
  answer("500 No", "no: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void read_line(const char *path, char *text, size_t size) {
  FILE *f = fopen(path, "r");
  text[0] = 0;
  if (!f) return;
  if (fgets(text, size, f)) text[strcspn(text, "\n")] = 0;
  fclose(f);
}

static uint32_t sum_of(const char *text, size_t size) {
  uint32_t sum = 2166136261u; /* FNV-1a */
  while (size--) sum = (sum ^ (unsigned char)*text++) * 16777619u;
  return sum;
}

static off_t place(unsigned long seq) { return (off_t)SECTOR * (1 + seq % SLOTS); }

static void read_slot(int disk, unsigned long seq, char *text) {
  if (pread(disk, buffer, SECTOR, place(seq)) != SECTOR) die("read");
  memcpy(text, buffer, SECTOR);
  text[SECTOR - 1] = 0;
}

static unsigned long seq_at(int disk, unsigned long slot) {
  char text[SECTOR];
  read_slot(disk, slot, text);
  return strtoul(text, NULL, 10);
}

/* The last record: in each lap the numbers grow from slot to slot, and drop after the last one. */
static unsigned long find_end(int disk) {
  unsigned long first = seq_at(disk, 0), low = 0, high = SLOTS;
  if (first == 0) { /* lap one: slot 0 is left empty, for no record has the number 0 */
    if (seq_at(disk, 1) == 0) return 0;
    low = 1;
  }
  while (high - low > 1) {
    unsigned long middle = (low + high) / 2;
    if (seq_at(disk, middle) == first + middle) low = middle;
    else high = middle;
  }
  return first + low;
}

static void take_state(struct log *log) {
  FILE *f = fopen(RUN "/log.state", "r");
  if (f && fread(log, sizeof *log, 1, f) == 1) {
    fclose(f);
    return;
  }
  if (f) fclose(f);
  read_line("/proc/sys/kernel/random/uuid", log->run, sizeof log->run);
  log->seq = find_end(log->disk);
  if (log->seq) read_slot(log->disk, log->seq, log->last);
}

static void keep_state(const struct log *log) {
  FILE *f = fopen(RUN "/log.state.new", "w");
  if (!f || fwrite(log, sizeof *log, 1, f) != 1) die("state");
  fclose(f);
  rename(RUN "/log.state.new", RUN "/log.state");
}

/* Append a record and return its number once the disk has it for good. */
static unsigned long append(const char *kind, long number) {
  struct log log = {0};
  char boots[16], now[SECTOR];
  const char *flag = "own", *before;
  struct timespec wall;
  int disk, size, lock = open(RUN "/log.lock", O_RDWR | O_CREAT, 0600);
  if (lock < 0 || flock(lock, LOCK_EX)) die("lock");
  disk = open(DISK, O_RDWR | O_DIRECT);
  if (disk < 0) die(DISK);
  log.disk = disk;
  take_state(&log);
  log.disk = disk;
  if (log.seq) {
    read_slot(disk, log.seq, now);
    if (strcmp(now, log.last)) {
      flag = "foreign";
      log.seq = find_end(disk);
      read_slot(disk, log.seq, log.last);
    }
    read_slot(disk, log.seq + 1, now); /* somebody may have gone on behind our last record */
    if (strtoul(now, NULL, 10) == log.seq + 1) {
      flag = "foreign";
      log.seq = find_end(disk);
      read_slot(disk, log.seq, log.last);
    }
  }
  read_line(RUN "/boots", boots, sizeof boots);
  before = strrchr(log.last, ' ');
  clock_gettime(CLOCK_REALTIME, &wall);
  memset(buffer, 0, SECTOR);
  size = snprintf(buffer, SECTOR, "%lu %s %s %s %ld %lld %s %s", log.seq + 1, boots, log.run, kind, number,
                  wall.tv_sec * 1000LL + wall.tv_nsec / 1000000, flag, before ? before + 1 : "0");
  snprintf(buffer + size, SECTOR - size, " %08x", sum_of(buffer, size));
  memcpy(log.last, buffer, SECTOR);
  log.seq++;
  if (pwrite(disk, buffer, SECTOR, place(log.seq)) != SECTOR || fsync(disk)) die("write");
  keep_state(&log);
  close(disk);
  close(lock);
  return log.seq;
}

static void show(unsigned long from) {
  struct log log = {0};
  char boots[16];
  unsigned long seq;
  int lock = open(RUN "/log.lock", O_RDWR | O_CREAT, 0600);
  if (lock < 0 || flock(lock, LOCK_EX)) die("lock");
  log.disk = open(DISK, O_RDONLY | O_DIRECT);
  if (log.disk < 0) die(DISK);
  { int disk = log.disk; take_state(&log); log.disk = disk; }
  keep_state(&log);
  read_line(RUN "/boots", boots, sizeof boots);
  log.seq = find_end(log.disk); /* what the disk says, not what we remember */
  if (log.seq >= SLOTS && from <= log.seq - SLOTS) from = log.seq - SLOTS + 1;
  if (from == 0) from = log.seq > SHOWN ? log.seq - SHOWN + 1 : 1;
  answer("200 OK", "run %s boots %s seq %lu\n", log.run, boots, log.seq);
  for (seq = from; seq <= log.seq;) {
    unsigned long here = seq % SLOTS, many = log.seq - seq + 1;
    if (many > CHUNK) many = CHUNK;
    if (many > SLOTS - here) many = SLOTS - here;
    if (pread(log.disk, buffer, many * SECTOR, place(seq)) != (ssize_t)(many * SECTOR)) die("read");
    for (unsigned long i = 0; i < many; i++) printf("%.*s\n", SECTOR - 1, buffer + i * SECTOR);
    seq += many;
  }
}

static void loop(long period_ms) {
  int alone = open(RUN "/writer.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  struct timespec pause = {period_ms / 1000, period_ms % 1000 * 1000000};
  char pid[16];
  if (alone < 0 || flock(alone, LOCK_EX | LOCK_NB)) return; /* one is enough */
  snprintf(pid, sizeof pid, "%d\n", getpid());
  if (ftruncate(alone, 0) || write(alone, pid, strlen(pid)) < 0) return;
  for (long beat = 1;; beat++) {
    append("beat", beat);
    nanosleep(&pause, NULL);
  }
}

/* Start or end the writer, now and at each boot to come. */
static void set_writer(long period_ms) {
  char pid[16], text[32];
  int size, file;
  read_line(RUN "/writer.lock", pid, sizeof pid);
  if (atoi(pid) > 1) kill(atoi(pid), SIGKILL);
  size = snprintf(text, sizeof text, "%ld\n", period_ms);
  file = open("/disk/writer", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0 || write(file, text, size) != size || fsync(file)) die("/disk/writer");
  close(file);
  if (period_ms && fork() == 0) {
    setsid();
    if (!freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout)) exit(1);
    page = 0;
    loop(period_ms);
    exit(0);
  }
  answer("200 OK", "ok %ld\n", period_ms);
}

static long asked(const char *name, long otherwise) {
  const char *query = getenv("QUERY_STRING");
  size_t size = strlen(name);
  while (query && *query) {
    if (!strncmp(query, name, size) && query[size] == '=') return strtol(query + size + 1, NULL, 10);
    query = strchr(query, '&');
    if (query) query++;
  }
  return otherwise;
}

int main(int argc, char **argv) {
  const char *name = strrchr(argv[0], '/');
  name = name ? name + 1 : argv[0];
  page = getenv("GATEWAY_INTERFACE") != NULL;
  if (posix_memalign((void **)&buffer, 4096, CHUNK * SECTOR)) die("memory");
  if (page && !strcmp(name, "write")) {
    long number = asked("n", -1);
    answer("200 OK", "ok %ld %lu\n", number, append("write", number));
  } else if (page && !strcmp(name, "log")) show(asked("from", 0));
  else if (page && !strcmp(name, "writer")) set_writer(asked("ms", 200));
  else if (argc == 3 && !strcmp(argv[1], "write")) printf("ok %s %lu\n", argv[2], append("write", atol(argv[2])));
  else if (argc >= 2 && !strcmp(argv[1], "log")) show(argc > 2 ? strtoul(argv[2], NULL, 10) : 0);
  else if (argc == 3 && !strcmp(argv[1], "loop")) loop(atol(argv[2]));
  else return 2;
  return 0;
}
