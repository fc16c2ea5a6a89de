// Writes the seeds of all corpora: the worked examples of the protocol reference, every message as
// its encoder writes it, and the edges that a decoder must see.
//
// The formats of inputs are described in the targets.
//
//   fuzz_make_corpus DOCS_PROTOCOL CORPUS_FOLDER
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "shm/slot_image.hpp"
#include "unit/wire/support.hpp"

namespace {

namespace wire = tensorpool::wire;
using wire::test::Buffer;

std::filesystem::path corpus;

void write(const std::string& target, const std::string& name, const Buffer& bytes) {
  std::filesystem::create_directories(corpus / target);
  std::ofstream file(corpus / target / name, std::ios::binary);
  file.write(static_cast<const char*>(static_cast<const void*>(bytes.data())),
             static_cast<std::streamsize>(bytes.size()));
}

std::string target_of(std::uint16_t schema_id) {
  switch (schema_id) {
    case 900:
      return "control";
    case 901:
      return "driver";
    case 902:
      return "bridge";
    case 903:
      return "merge";
    case 904:
      return "tracelink";
    default:
      return "discovery";
  }
}

// The last u32 of the value `length`, which in a seed is the length of the last var data.
bool raise_last_length(Buffer& bytes, std::uint32_t length) {
  if (bytes.size() < 4 + length) return false;
  const std::size_t at = bytes.size() - length - 4;
  if (wire::test::get<std::uint32_t>(bytes, at) != length) return false;
  wire::test::put<std::uint32_t>(bytes, at, length + 1);
  return true;
}

template <class M>
void write_message() {
  const std::string target = target_of(M::schema_id);
  const auto seed = [&](const char* kind, const Buffer& bytes) {
    write(target, std::string(M::name) + "-" + kind, bytes);
  };
  const Buffer full = wire::test::encoded(wire::test::filled<M>(1));
  seed("full", full);
  if (full.size() == M::smallest_size) {
    Buffer other = full;
    wire::test::put<std::uint16_t>(other, 6, 2);
    if (M::template_id == 4) seed("version-2", other);
    return;
  }
  seed("empty", wire::test::encoded(wire::test::cleared<M>(2)));
  if (wire::test::VarFields::of<M>() == 0) return;
  Buffer bytes = wire::test::encoded(wire::test::cleared<M>(3));
  bytes.resize(bytes.size() - 4);  // MSG-38
  seed("without-last-data", bytes);
  for (std::uint32_t length = 1; length < 300; ++length) {
    Buffer beyond = full;
    if (raise_last_length(beyond, length)) {
      seed("data-beyond-end", beyond);
      break;
    }
  }
}

template <class... M>
void write_messages(std::type_identity<std::variant<M...>>) {
  (write_message<M>(), ...);
}

// Edges of single messages.
void write_edges() {
  Buffer bytes = wire::test::encoded(wire::test::filled<wire::FrameDescriptor>(4));
  bytes.insert(bytes.end(), 5, std::byte{0xA5});
  write("control", "FrameDescriptor-trailing", bytes);
  bytes.resize(47);
  write("control", "FrameDescriptor-short", bytes);

  wire::FrameProgress progress = wire::test::filled<wire::FrameProgress>(5);
  bytes = wire::test::encoded(progress);
  bytes.back() = std::byte{9};
  write("control", "FrameProgress-unlisted-state", bytes);

  bytes = wire::test::encoded(wire::test::filled<wire::ShmPoolAnnounce>(6, 1));
  bytes.back() = std::byte{' '};
  write("control", "ShmPoolAnnounce-space-in-uri", bytes);
  wire::test::put<std::uint16_t>(bytes, 45, 65535);  // numInGroup of payloadPools
  write("control", "ShmPoolAnnounce-entries-beyond-end", bytes);

  bytes = wire::test::encoded(wire::test::filled<wire::ConsumerHello>(7));
  wire::test::put<std::uint32_t>(bytes, 39, 0xFFFFFFFFU);  // descriptorStreamId
  write("control", "ConsumerHello-null-stream", bytes);

  bytes = wire::test::encoded(wire::test::filled<wire::driver::ShmAttachRequest>(8));
  bytes[29] = std::byte{0};  // publishMode
  write("driver", "ShmAttachRequest-publish-mode-0", bytes);
  bytes[24] = std::byte{3};  // role
  write("driver", "ShmAttachRequest-unlisted-role", bytes);
  wire::test::put<std::uint16_t>(bytes, 0, 28);
  write("driver", "ShmAttachRequest-block-length", bytes);
  wire::test::put<std::uint16_t>(bytes, 6, 0);
  write("driver", "ShmAttachRequest-version-0", bytes);

  bytes = wire::test::encoded(wire::test::filled<wire::merge::SequenceMergeMapAnnounce>(9));
  wire::test::put<std::uint16_t>(bytes, 28, 14);  // blockLength of rules
  write("merge", "SequenceMergeMapAnnounce-group-block-length", bytes);

  bytes = wire::test::encoded(wire::test::filled<wire::tracelink::TraceLinkSet>(10));
  wire::test::put<std::uint16_t>(bytes, 38, 3);  // numInGroup of two parents
  write("tracelink", "TraceLinkSet-entries-beyond-end", bytes);

  wire::bridge::BridgeFrameChunk chunk = wire::test::filled<wire::bridge::BridgeFrameChunk>(11);
  chunk.header_bytes.assign(256, std::byte{1});
  chunk.payload_bytes.assign(8, std::byte{2});
  bytes = wire::test::encoded(chunk);
  write("bridge", "BridgeFrameChunk-256", bytes);
  bytes.insert(bytes.begin() + 65, std::byte{1});
  wire::test::put<std::uint32_t>(bytes, 61, 257);  // length of headerBytes
  write("bridge", "BridgeFrameChunk-257", bytes);

  bytes = wire::test::encoded(wire::test::filled<wire::discovery::DiscoveryRequest>(12));
  wire::test::put<std::uint16_t>(bytes, 40, 4);  // blockLength of tags
  write("discovery", "DiscoveryRequest-tag-block-length", bytes);
  wire::discovery::DiscoveryResponse response =
      wire::test::filled<wire::discovery::DiscoveryResponse>(13, 1);
  bytes = wire::test::encoded(response);
  bytes[16] = std::byte{77};  // status
  bytes.back() = std::byte{0x80};
  write("discovery", "DiscoveryResponse-unlisted-status", bytes);
}

// The hex dumps of a chapter.
std::vector<Buffer> read_dumps(const std::filesystem::path& chapter) {
  std::vector<Buffer> dumps;
  std::ifstream file(chapter);
  std::string line;
  Buffer bytes;
  while (std::getline(file, line)) {
    const bool dump = line.size() > 7 && line.find_first_not_of("0123456789abcdef") == 4 &&
                      line.compare(4, 2, "  ") == 0;
    if (dump) {
      const Buffer more = wire::test::from_hex(line.substr(6));
      bytes.insert(bytes.end(), more.begin(), more.end());
    } else if (!bytes.empty()) {
      dumps.push_back(std::exchange(bytes, {}));
    }
  }
  return dumps;
}

void write_examples(const std::vector<Buffer>& dumps) {
  for (std::size_t i = 0; i < dumps.size(); ++i) {
    const auto header = wire::peek(dumps[i]);
    if (header && !wire::message_name(header->schema_id, header->template_id).empty())
      write(target_of(header->schema_id), "example-" + std::to_string(i + 1), dumps[i]);
  }
}

Buffer from_text(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Buffer joined(std::initializer_list<Buffer> parts) {
  Buffer all;
  for (const Buffer& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

template <class... Numbers>
Buffer bytes_of(Numbers... numbers) {
  return {static_cast<std::byte>(numbers)...};
}

// A slot 0 of one small tensor after `change`.
template <class Change>
Buffer slot_after(Change&& change) {
  namespace shm = tensorpool::shm;
  shm::SlotFields fields;
  fields.values_len_bytes = 24;
  fields.pool_id = 4;
  fields.dtype = tensorpool::DType::u16;
  fields.order = tensorpool::MajorOrder::row;
  fields.ndims = 2;
  fields.dims = {3, 4};
  change(fields);
  shm::HeaderImage image;
  shm::build(image, fields);
  image.words[0] = shm::committed_word(0);
  return {image.bytes(), image.bytes() + shm::header_slot_bytes};
}

void write_slots() {
  using tensorpool::MajorOrder;
  using tensorpool::ProgressUnit;
  using tensorpool::shm::SlotFields;
  // 1 slot, slot 0, one pool: id 4 of 1024 bytes.
  const Buffer start = bytes_of(0, 0, 0, 4, 15, 0);
  const auto seed = [&](const char* name, auto change) {
    write("slot", name, joined({start, slot_after(change)}));
  };
  seed("row", [](SlotFields&) {});
  seed("column", [](SlotFields& f) { f.order = MajorOrder::column; });
  seed("padded-rows", [](SlotFields& f) { f.strides = {64, 2}; });
  seed("overlap", [](SlotFields& f) { f.strides = {7, 2}; });
  seed("negative-stride", [](SlotFields& f) { f.strides = {-8, 2}; });
  seed("negative-dim", [](SlotFields& f) { f.dims = {-1, 4}; });
  seed("empty", [](SlotFields& f) { f.dims = {0, 4}; });
  seed("rows", [](SlotFields& f) {
    f.progress_unit = ProgressUnit::rows;
    f.progress_stride_bytes = 8;
  });
  seed("columns-wrong", [](SlotFields& f) {
    f.progress_unit = ProgressUnit::columns;
    f.progress_stride_bytes = 8;
  });
  seed("no-dims", [](SlotFields& f) { f.ndims = 0; });
  seed("nine-dims", [](SlotFields& f) { f.ndims = 9; });
  seed("unassigned-dtype", [](SlotFields& f) { f.dtype = tensorpool::DType{12}; });
  seed("overflow", [](SlotFields& f) {
    f.ndims = 8;
    f.dims.fill(INT32_MAX);
  });
  // The outermost stride is above 2^63, and nothing else is wrong with this empty tensor.
  seed("stride-above-2-63", [](SlotFields& f) {
    f.ndims = 4;
    f.dims = {0, 3, INT32_MAX, INT32_MAX};
    f.strides = {};
    f.dtype = tensorpool::DType::u8;
  });
  seed("unknown-pool", [](SlotFields& f) { f.pool_id = 9; });
  seed("too-long", [](SlotFields& f) { f.values_len_bytes = 1025; });
  seed("other-slot", [](SlotFields& f) { f.payload_slot = 1; });
  seed("payload-offset", [](SlotFields& f) { f.payload_offset = 64; });
  seed("length-191", [](SlotFields& f) { f.header_length = 191; });
  seed("template-51", [](SlotFields& f) { f.template_id = 51; });
}

void write_regions() {
  // 4 slots and one pool of stride 64; then per region: flags, length, patches.
  const Buffer start = bytes_of(2, 0, 1, 0, 0);
  const Buffer plain = bytes_of(0, 0, 0);
  const auto seed = [&](const char* name, const Buffer& ring, const Buffer& pool) {
    write("map", name, joined({start, ring, pool, bytes_of(0, 100, 0)}));
  };
  seed("right", plain, plain);
  seed("ring-short", bytes_of(0, 0xFF, 0), plain);
  seed("ring-long", bytes_of(0, 64, 0), plain);
  seed("pool-short", plain, bytes_of(0, 0xFF, 0));
  seed("hugepages", bytes_of(3, 0, 0), bytes_of(3, 0, 0));
  seed("hugepages-short", bytes_of(3, 0xFF, 0), bytes_of(3, 0, 0));
  seed("no-hugepages", bytes_of(2, 0, 0), plain);
  seed("absent", bytes_of(0x30, 0, 0), plain);
  seed("mode", bytes_of(0x0C, 0, 0), plain);
  for (const int offset : {0, 8, 12, 20, 24, 26, 28, 32, 36, 40, 56}) {
    const Buffer patched = bytes_of(0, 0, 1, offset, 0x55);
    seed(("ring-patched-" + std::to_string(offset)).c_str(), patched, plain);
    seed(("pool-patched-" + std::to_string(offset)).c_str(), plain, patched);
  }
  seed("ring-of-8-slots", bytes_of(0, 0, 1, 28, 8), plain);
  seed("pool-of-8-slots", plain, bytes_of(0, 0, 1, 28, 8));
  write("map", "pool-slot-bytes-unset",
        joined({start, plain, bytes_of(0, 0, 3, 32, 255, 33, 255, 34, 255)}));
  write("map", "repeated-pool-id", bytes_of(2, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  write("map", "three-slots", bytes_of(0xFF, 3, 0, 0, 0, 0, 1, 0, 0));
  write("map", "changed-later",
        joined({start, plain, plain, bytes_of(2, 0, 12, 9, 1, 56, 3, 0, 0)}));
  write("map", "stride-100", joined({bytes_of(2, 0, 1, 0xFF, 100, 0, 0, 0, 0), plain, plain}));
}

void write_reader() {
  // 4 slots, max_gap 4, no rate, one pool of stride 256, no bytes of the ring's own.
  const Buffer start = bytes_of(2, 4, 0, 0, 3, 0, 0);
  const Buffer frame = bytes_of(3, 1, 0x30, 3, 3);  // write the next seq: 2 dims
  const Buffer announce = bytes_of(0, 0, 0);        // describe it
  const Buffer poll = bytes_of(8);
  const auto seed = [&](const char* name, std::initializer_list<Buffer> commands) {
    write("reader", name, joined({start, joined(commands)}));
  };
  seed("poll", {frame, announce, poll, frame, announce, frame, announce, poll});
  seed("next", {frame, announce, bytes_of(7, 2), frame, announce, bytes_of(7, 0)});
  seed("latest", {frame, announce, frame, announce, bytes_of(7, 1)});
  seed("overwritten-in-handler", {frame, announce, bytes_of(5, 0, 64, 1, 0xEE), poll});
  seed("overwritten-before-proof", {frame, announce, bytes_of(5, 1, 64, 1, 0xEE), poll});
  seed("wrong-length", {frame, announce, bytes_of(4, 64 + 9, 1, 0xEE), poll});
  seed("length-above-stride", {frame, announce, bytes_of(4, 64 + 9, 1, 1), poll});
  seed("not-written", {announce, poll});
  seed("gap", {frame, announce, poll, bytes_of(0, 3, 0), poll, bytes_of(0, 7, 0), poll});
  seed("regression", {frame, announce, poll, bytes_of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0), poll});
  // 2^63 + 1: its commit word would be that of 1.
  seed("seq-above-2-63", {frame, bytes_of(1, 1, 0, 0, 0, 0, 0, 0, 0x80, 0), poll});
  seed("higher-epoch", {frame, announce, poll, bytes_of(0, 1, 0x83), poll});
  seed("other-stream", {frame, bytes_of(0, 0, 12), poll});
  seed("fragment", {frame, bytes_of(2, 1, 3, 1, 2, 3), poll});
  seed("remap", {frame, announce, poll, bytes_of(6, 4), frame, announce, poll});
  seed("remap-under-view", {frame, announce, bytes_of(7, 4)});
  seed("disconnected", {frame, announce, poll, bytes_of(6, 3), poll, bytes_of(6, 0), poll});
  write("reader", "rate",
        joined({bytes_of(2, 4, 1, 0, 3, 0, 0), frame, announce, poll, frame, bytes_of(0, 0, 16),
                poll, frame, announce, poll}));
}

// Steps of driver_core_fuzz.cpp.
void write_driver_steps() {
  const Buffer start = bytes_of(0, 62);  // everything allowed, keep 2, 16 leases
  // client, stream (index), role (0: producer), correlation, mode (1: create), the rest
  const Buffer producer = bytes_of(0, 1, 0, 0, 1, 1, 0);
  const Buffer consumer = bytes_of(0, 2, 0, 1, 2, 0, 0);
  const Buffer created = bytes_of(9, 0);
  const Buffer no_space = bytes_of(9, 0xC0);
  const Buffer collected = bytes_of(10, 0);
  const Buffer quiet = bytes_of(17);
  const Buffer long_after = bytes_of(7, 32, 3);
  const Buffer restart = bytes_of(15, 1, 1, 2, 3, 4, 5, 6, 7, 8);
  const Buffer far_future = bytes_of(15, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF);
  const Buffer keepalive = bytes_of(1, 0, 0);
  const Buffer detach = bytes_of(2, 0, 0, 3);
  const auto seed = [&](const char* name, std::initializer_list<Buffer> steps) {
    write("driver_core", name, joined({start, joined(steps)}));
  };
  seed("attach", {producer, created, collected, consumer, keepalive, quiet});
  seed("two-producers", {producer, bytes_of(0, 3, 0, 0, 1, 1, 0), created, producer, quiet});
  seed("consumer-first", {consumer, consumer, created, producer, created, quiet});
  seed("detach", {producer, created, detach, detach, created, collected, quiet});
  seed("expiry", {producer, created, consumer, keepalive, long_after, quiet, created, quiet});
  seed("dynamic", {bytes_of(0, 1, 3, 0, 1, 1, 0), created, detach, created, long_after,
                   bytes_of(16, 0, 5, 0, 3, 0, 1, 1, 0), created, created, created, quiet});
  seed("no-space", {producer, no_space, collected, created, quiet});
  seed("no-space-twice", {consumer, producer, no_space, collected, no_space, created, quiet});
  seed("burst", {bytes_of(16, 0, 40, 0, 0, 1, 1, 1, 0), created, long_after, quiet, created});
  seed("restart", {producer, created, restart, keepalive, consumer, created, quiet});
  seed("far-future-epoch", {far_future, restart, producer, quiet, consumer, created});
  seed("strangers", {producer, bytes_of(1, 0xFF, 0, 9, 9, 9, 9, 9, 9, 9, 9),
                     bytes_of(1, 0xFF, 0, 9, 9, 9, 9, 9, 9, 9, 9), quiet});
  seed("hello", {consumer, created, bytes_of(3, 0, 0, 1, 1, 3), bytes_of(3, 0, 0, 1, 2, 0xFF)});
  seed("shutdown", {producer, created, bytes_of(4, 1, 1), bytes_of(4, 1, 0), producer, quiet,
                    long_after, quiet});
  seed("terminate", {consumer, bytes_of(13, 0), bytes_of(13, 0), quiet, created, keepalive});
  seed("revoked", {producer, created, consumer, bytes_of(14, 0, 0), created, quiet});
  seed("node-ids", {bytes_of(0, 1, 0, 1, 1, 0, 0x30), created, bytes_of(0, 2, 0, 1, 1, 0, 0x30),
                    detach, bytes_of(0, 2, 0, 1, 1, 0, 0x30), long_after});
  write("driver_core", "startup-collection-behind-a-creation",
        joined({bytes_of(16, 61), producer, quiet, created, long_after, keepalive, collected,
                bytes_of(8, 1)}));
  const Buffer message =
      wire::test::encoded(wire::test::filled<wire::driver::ShmAttachRequest>(14));
  seed("raw", {bytes_of(5, message.size(), 0), message, created, quiet});
}

// Steps of lease_core_fuzz.cpp.
void write_lease_steps() {
  const Buffer links = bytes_of(0, 1);
  const Buffer quiet = bytes_of(11);
  const Buffer right = joined({bytes_of(1), Buffer(18, std::byte{0})});
  const Buffer mapped = bytes_of(8, 0, 0);
  const Buffer announce = bytes_of(4, 0, 0, 0, 0);
  const Buffer long_after = bytes_of(6, 32, 3);
  const Buffer attached = joined({links, quiet, right, mapped, quiet});
  const auto seed = [&](const char* name, int bits, std::initializer_list<Buffer> steps) {
    write("lease_core", name, joined({bytes_of(bits), joined(steps)}));
  };
  seed("attached", 0, {attached, announce, quiet});
  seed("deadline", 4, {attached, long_after, quiet, quiet});
  seed("revoked", 4, {attached, bytes_of(2, 0, 0, 0, 0, 0, 0, 2, 0), long_after, quiet, right});
  seed("producer-gone", 0, {attached, bytes_of(2, 0, 0xE0, 0, 0, 0, 0, 1, 0), quiet, announce});
  seed("shutdown", 1, {attached, bytes_of(3, 0, 0, 0), long_after, quiet, right, mapped});
  seed("superseded", 4, {attached, bytes_of(4, 0, 0xE0, 0, 0), quiet});
  seed("taken-client-id", 2,
       {links, quiet, bytes_of(1, 0, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF),
        quiet});
  seed("unmappable", 0, {links, quiet, right, bytes_of(8, 2, 0), long_after, quiet});
  seed("closed-while-asking", 0, {links, quiet, bytes_of(10, 0), right});
  // Every field of the answer wrong in turn.
  for (unsigned at = 1; at < right.size(); ++at) {
    Buffer wrong = right;
    wrong[at] = std::byte{0xFF};
    if (at != 1) seed(("wrong-" + std::to_string(at)).c_str(), 0, {links, quiet, wrong, quiet});
  }
}

void write_texts() {
  const auto uri = [](const char* name, const std::string& text) {
    write("uri", name, from_text(text));
  };
  const std::string good = "shm:file?path=/dev/shm/tensorpool-alice/default/10000/1/header.ring";
  uri("plain", good);
  uri("hugepages", good + "|require_hugepages=true");
  uri("no-hugepages", good + "|require_hugepages=false");
  uri("capital", good + "|require_hugepages=True");
  uri("trailing-bar", good + "|");
  uri("third", good + "|require_hugepages=true|mode=1");
  uri("twice", good + "|path=/a");
  uri("order", "shm:file?require_hugepages=true|path=/a");
  uri("relative", "shm:file?path=a/b");
  uri("root", "shm:file?path=/");
  uri("space", good + " ");
  uri("question-mark", good + "?");
  uri("ampersand", "shm:file?path=/a&require_hugepages=true");
  uri("scheme", "shm:memfd?path=/a");
  uri("no-value", "shm:file?path=");
  uri("empty", "");
  uri("4095", "shm:file?path=/" + std::string(4094, 'a'));
  uri("4096", "shm:file?path=/" + std::string(4095, 'a'));
  uri("4080-hugepages", "shm:file?path=/" + std::string(4080, 'a') + "|require_hugepages=true");

  const auto npy = [](const char* name, const std::string& dictionary, int major = 1) {
    Buffer bytes =
        joined({bytes_of(0x93), from_text("NUMPY"), bytes_of(major, 0, dictionary.size(), 0)});
    if (major != 1) bytes.insert(bytes.end(), 2, std::byte{0});
    write("npy", name, joined({bytes, from_text(dictionary), Buffer(48, std::byte{7})}));
  };
  npy("row", "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3, 4), }\n");
  npy("column", "{'descr': '<u2', 'fortran_order': True, 'shape': (2, 3, 4), }\n");
  npy("version-2", "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 12), }\n", 2);
  npy("cut", "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, 4), }\n");
  npy("cut-by-one-frame", "{'descr': '<u2', 'fortran_order': False, 'shape': (3, 3, 4), }\n");
  npy("zero", "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 0, 4), }\n");
  npy("no-frames", "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4), }\n");
  npy("huge", "{'descr': '|b1', 'fortran_order': True, 'shape': (4294967296, 2147483647), }\n");
  npy("big-endian", "{'descr': '>u2', 'fortran_order': False, 'shape': (2, 3, 4), }\n");
  npy("no-shape", "{'descr': '<u2', 'fortran_order': False, }\n");
  npy("version-9", "{}", 9);
}

// The superblocks and the slot of the worked examples, as the first bytes of files.
void write_files(const std::vector<Buffer>& dumps) {
  for (std::size_t i = 0; i < dumps.size(); ++i) {
    const std::string name = "example-" + std::to_string(i + 1);
    if (dumps[i].size() == 64) {
      write("inspect", name, dumps[i]);
    } else if (dumps[i].size() >= 128) {
      Buffer slot = dumps[i];
      slot.resize(tensorpool::shm::header_slot_bytes);
      // Slot 42 of 64 slots; pool 1 of 614 400 bytes.
      write("slot", name, joined({bytes_of(6, 42, 0, 1, 0x7F, 0x25), slot}));
      Buffer one_slot = dumps[0];
      wire::test::put<std::uint32_t>(one_slot, 28, 1);  // nslots
      write("inspect", name + "-in-ring", joined({one_slot, slot}));
      wire::test::put<std::uint16_t>(slot, 76, 9);  // ndims
      write("inspect", name + "-nine-dims", joined({one_slot, slot}));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s DOCS_PROTOCOL CORPUS_FOLDER\n", argv[0]);
    return 2;
  }
  const std::filesystem::path docs = argv[1];
  corpus = argv[2];
  write_messages(std::type_identity<wire::AnyMessage>{});
  write_edges();
  write_examples(read_dumps(docs / "02-messages.md"));
  write_slots();
  write_regions();
  write_reader();
  write_driver_steps();
  write_lease_steps();
  write_texts();
  write_files(read_dumps(docs / "01-shared-memory.md"));
  return 0;
}
