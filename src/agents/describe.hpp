// Regions as messages describe them.
#pragma once

#include "shm/mapping.hpp"
#include "wire/messages.hpp"

namespace tensorpool::agents {

// The announce of the regions but for producer and time.
inline wire::ShmPoolAnnounce describe(const shm::StreamRegions& regions) {
  wire::ShmPoolAnnounce announce;
  announce.stream_id = regions.layout.stream_id;
  announce.epoch = regions.layout.epoch;
  announce.layout_version = regions.layout.layout_version;
  announce.header_nslots = regions.layout.nslots;
  announce.header_slot_bytes = static_cast<std::uint16_t>(regions.layout.header_slot_bytes);
  announce.header_region_uri = regions.header_uri;
  for (std::size_t i = 0; i < regions.layout.pools.size(); ++i) {
    announce.payload_pools.push_back({regions.layout.pools[i].pool_id, regions.layout.nslots,
                                      regions.layout.pools[i].stride_bytes, regions.pool_uris[i]});
  }
  return announce;
}

// The regions of an announce or attach response, as whoever maps them wants them.
inline shm::StreamRegions describe(const wire::ShmPoolAnnounce& announce) {
  shm::StreamRegions regions;
  regions.layout.stream_id = announce.stream_id;
  regions.layout.epoch = announce.epoch;
  regions.layout.nslots = announce.header_nslots;
  regions.layout.layout_version = announce.layout_version;
  regions.layout.header_slot_bytes = announce.header_slot_bytes;
  regions.header_uri = announce.header_region_uri;
  for (const wire::PayloadPool& pool : announce.payload_pools) {
    regions.layout.pools.push_back({pool.pool_id, pool.stride_bytes, pool.pool_nslots});
    regions.pool_uris.push_back(pool.region_uri);
  }
  return regions;
}

}  // namespace tensorpool::agents
