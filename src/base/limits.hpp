// Every bound of the library in one place, unit last. Hitting one is a counted, typed outcome.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tensorpool::base::limits {

inline constexpr std::size_t pools_per_stream = 16;
inline constexpr std::uint32_t header_slots_max = 1U << 24U;
inline constexpr std::size_t uri_bytes = 4096;   // SHM-105
inline constexpr std::size_t path_bytes = 4095;  // SHM-104
inline constexpr std::size_t namespace_bytes = 255;
inline constexpr std::size_t client_name_bytes = 100;
inline constexpr std::size_t channel_bytes = 4095;
inline constexpr std::size_t error_message_bytes = 1024;  // MSG-109
inline constexpr std::size_t name_bytes = 256;            // STR-173
inline constexpr std::size_t links_per_producer = 16;
inline constexpr std::size_t claims_per_producer = 64;
inline constexpr std::size_t shapes_at_hand =
    4;  // that a port changes between without checking them anew
inline constexpr std::size_t ports_per_client = 64;
inline constexpr std::size_t commands = 1024;  // CON-13
inline constexpr std::size_t commands_max = 1U << 16U;
inline constexpr int fragments_per_poll = 10;     // CON-9
inline constexpr std::size_t inbox_entries = 16;  // at least fragments_per_poll
inline constexpr std::size_t image_events = 256;
inline constexpr int admin_action_retries = 3;
inline constexpr std::size_t flows_listed = 4096;       // publications of one media driver
inline constexpr std::size_t flow_subscribers = 16384;  // and the subscriptions that read them
inline constexpr std::size_t laggards_told = 16;        // by name, of one producer and media driver
inline constexpr int latest_polls = 64;
inline constexpr std::size_t waiters_per_producer =
    16;                                               // of the wake-up extension: woken by a bell
inline constexpr int sleepers_per_ring = 64;          // woken by one, whoever they are
inline constexpr std::size_t bells_per_consumer = 4;  // of its stream, the newest ones
inline constexpr std::size_t wake_counters = 1024;  // bells, and armed counters, that are looked at
inline constexpr std::size_t silent_waiters = 1024;  // remembered by a producer
inline constexpr std::uint32_t empty_wakes = 64;     // that a waiter may cause in a row, and for
inline constexpr std::int64_t empty_wakes_ns = 100'000'000;  // how long, before it is passed over
inline constexpr std::int64_t awake_waiter_ns =
    5'000'000'000;  // never seen asleep for so long, it makes room for one that sleeps
inline constexpr std::int64_t wait_spin_ns = 1'000'000'000;  // largest WaitOptions::spin_ns
inline constexpr std::uint32_t wait_yields = 1'000'000;      // largest WaitOptions::yields
inline constexpr std::size_t futexes_per_wait = 128;         // the kernel's own limit
inline constexpr std::uint32_t rejections_per_period = 8;    // of announced regions, told or tried
inline constexpr std::size_t message_bytes = 1U << 20U;  // largest control message built or taken
inline constexpr std::size_t unmap_step_bytes = 4U << 20U;
inline constexpr std::size_t epochs_scanned = 65536;
inline constexpr std::uint64_t region_step_bytes = 4U << 20U;  // reserved or prefaulted at a time
inline constexpr std::size_t path_components = 256;
inline constexpr std::size_t files_per_epoch = 256;
inline constexpr int lock_attempts = 16;  // on a lock file that changes hands meanwhile
inline constexpr std::uint32_t driver_leases_max = 65536;  // largest policies.max_leases
inline constexpr std::size_t driver_streams = 16384;       // static and dynamic ones
inline constexpr std::size_t driver_pending_attaches = 1024;
inline constexpr std::size_t driver_node_ids = 1U << 17U;  // in use, resting or remembered
inline constexpr std::size_t driver_strangers_answered =
    4096;                                           // leases of a former driver instance
inline constexpr std::size_t driver_ranges = 64;    // of one key
inline constexpr std::size_t driver_unsent = 4096;  // messages that wait for room in a stream
inline constexpr std::size_t driver_unsent_bytes = 16U << 20U;  // and their bytes, but for one step
inline constexpr int driver_sends_per_cycle = 256;              // offered in one duty cycle
inline constexpr int driver_timer_steps = 32;                   // of the core in one duty cycle
inline constexpr int driver_answers_per_cycle = 16;  // of the region worker, heard in one cycle
inline constexpr std::size_t driver_jobs_per_stream = 4;  // of the region worker
inline constexpr std::size_t driver_creations = 4;        // of the region worker at a time
inline constexpr std::size_t instance_id_bytes = 128;     // CFG-31
inline constexpr std::size_t config_file_bytes = 4U << 20U;
inline constexpr std::size_t config_depth = 16;      // of brackets, and of the parts of one key
inline constexpr std::size_t config_problems = 100;  // reported of one configuration
inline constexpr std::size_t config_value_shown_bytes = 120;
inline constexpr std::size_t config_channel_bytes = 1023;
inline constexpr std::size_t config_string_bytes = 4095;  // where the key names no other limit
inline constexpr std::size_t config_base_dirs = 64;
inline constexpr std::size_t config_profiles = 1024;

static_assert(inbox_entries >= static_cast<std::size_t>(fragments_per_poll));
static_assert((commands & (commands - 1)) == 0);
static_assert(silent_waiters >= wake_counters);
static_assert(sleepers_per_ring >= static_cast<int>(waiters_per_producer));
static_assert(bells_per_consumer + 1 <= futexes_per_wait);
static_assert(waiters_per_producer <= 16);  // a bit each in a note
static_assert(driver_node_ids >= driver_leases_max + driver_pending_attaches + 1024);

}  // namespace tensorpool::base::limits
