// Writes the seeds of all corpora: the worked examples of the protocol reference, every message as
// its encoder writes it, and the edges that a decoder must see.
//
//   fuzz_make_corpus DOCS_PROTOCOL CORPUS_FOLDER
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

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

// The hex dumps of a chapter, each a seed of the target that reads it.
template <class Name>
void write_dumps(const std::filesystem::path& chapter, Name&& target_and_name) {
  std::ifstream file(chapter);
  std::string line;
  Buffer bytes;
  std::size_t number = 0;
  while (std::getline(file, line)) {
    const bool dump = line.size() > 7 && line.find_first_not_of("0123456789abcdef") == 4 &&
                      line.compare(4, 2, "  ") == 0;
    if (dump) {
      const Buffer more = wire::test::from_hex(line.substr(6));
      bytes.insert(bytes.end(), more.begin(), more.end());
    } else if (!bytes.empty()) {
      const std::string target = target_and_name(bytes);
      if (!target.empty()) write(target, "example-" + std::to_string(++number), bytes);
      bytes.clear();
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
  write_dumps(docs / "02-messages.md", [](const Buffer& bytes) {
    const auto header = wire::peek(bytes);
    const bool known =
        header && !wire::message_name(header->schema_id, header->template_id).empty();
    return known ? target_of(header->schema_id) : std::string();
  });
  return 0;
}
