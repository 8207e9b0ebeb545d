/* SPDX-License-Identifier: MIT */
/* The counts of a profile. Shared by the files of the profile alone. */
#ifndef SPLITSOCKS_PROFILE_TABLES_H
#define SPLITSOCKS_PROFILE_TABLES_H

#include <splitsocks/engine/path/dial_limit.h>
#include <splitsocks/engine/path/profile.h>

#include <stddef.h>

/* Buckets grow by 2^(1/16). With the square root of 2 a freeze at 16,000 bytes puts the
 * budget to 11.6 kB, and a fifth of the yield is lost. */
#define PROFILE_STEPS 16
#define PROFILE_FIRST 256
/* 18 octaves, to 64 MiB, and one bucket for all above. Deaths that are further apart cost
 * less than a hundredth of the time. */
#define PROFILE_BUCKETS (18 * PROFILE_STEPS + 1)
/* The age is counted in units of this time, so that its first bucket ends at 16 ms. */
#define PROFILE_AGE_UNIT_NS (NS_PER_MS / 16)
/* Evidence of a bucket counts for at most so many connections: older evidence fades as new
 * evidence comes, and never by the clock. */
#define PROFILE_VISITS_MAX 32
/* Endings that are kept to find what they have in common. */
#define PROFILE_ENDINGS 64

struct profile_bucket {
    float visits, deaths;
    float mean_s;  /* time that a connection takes for the bucket while data waits */
    uint8_t timed; /* weight of `mean_s` */
    bool outlived; /* one has passed where most have died before */
};

/* A bucket that an open connection takes unusually long for. */
struct profile_crawl {
    uint64_t seen_at_ns;
    float mean_s;
    uint16_t bucket;
};

struct profile_ending {
    float at[PROFILE_COORDINATES];
    uint16_t died_bucket;
    uint8_t died_in; /* coordinate + 1, or 0: it did not die */
};

struct profile_tables {
    struct profile_bucket bucket[PROFILE_COORDINATES][PROFILE_BUCKETS];
    struct profile_ending ending[PROFILE_ENDINGS];
    struct profile_crawl crawl[2];
    float resets[PROFILE_COORDINATES]; /* share of the deaths of late that were resets */
    uint8_t ending_count, ending_next;
};

/* Where bucket `j` begins, but for the first, which begins at 0; where it ends is the next
 * one's edge. */
double profile_edge(unsigned j);
/* A budget ends by this factor before an edge. A connection that came so far has passed the
 * bucket, and if it died there, it has died behind the edge: else each such death would
 * also count as a survivor, and as one of those that may go on. */
#define PASS_SLACK 1.005
unsigned profile_bucket_of(double position);
/* In the units of the buckets. */
double profile_position(const struct profile_connection *connection,
                        enum profile_coordinate coordinate);
/* TCP's first window distorts the rate below this position, bytes. */
#define RATE_FROM 5000
/* How long it is remembered that a connection crawls. */
#define CRAWL_NS NS_PER_S

uint64_t profile_explorer_limit(const struct profile_connection *connection,
                                enum profile_coordinate coordinate);
/* The connection has begun since the profile was reset. */
static inline bool profile_knows(const struct profile *profile,
                                 const struct profile_connection *connection)
{
    return connection->begun && connection->generation == profile->generation;
}
/* NULL when there is no memory. */
struct profile_tables *profile_tables_get(struct profile *profile);
/* A connection has come past the bucket. */
void profile_count_pass(struct profile_bucket *bucket, bool explorer);
void profile_count_time(struct profile_bucket *bucket, double seconds);
/* A death, when its ending is kept: finds the coordinate that explains it best and counts
 * it there. */
void profile_count_death(struct profile *profile, struct profile_connection *connection,
                         bool reset);
/* An ending of any kind, for the attribution of deaths. */
void profile_keep_ending(struct profile *profile, struct profile_connection *connection);
/* Compares the chance of a death with the deaths: this finds changes of the network. */
void profile_watch_change(struct profile *profile, bool died);

void profile_vain_init(struct profile_vain *vain);
/* A connection has failed, which is no evidence. */
void profile_vain_died(struct profile_vain *vain,
                       const struct profile_connection *connection, uint64_t now);
/* One has ended in order. */
void profile_vain_ended(struct profile_vain *vain,
                        const struct profile_connection *connection);

#endif
