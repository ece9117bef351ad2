#include "src/io/npz.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <sstream>

#include "flashtile/error.h"
#include "src/io/npy.h"

namespace flashtile::io {
namespace {

constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::uint32_t kCentralSignature = 0x02014b50;
constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kZip64EndSignature = 0x06064b50;
constexpr std::uint32_t kZip64LocatorSignature = 0x07064b50;
constexpr std::size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kZip64EndBytes = 56,
                      kZip64LocatorBytes = 20;
constexpr std::uint64_t kMaxCommentBytes = 65535;
constexpr std::uint64_t kMaxDirectoryBytes = std::uint64_t{1} << 26;
constexpr int kStored = 0, kDeflated = 8;
constexpr std::uint64_t kMaxDeflateRatio = 1032;  // of the format itself: 258 bytes from 2 bits at best

struct Member {
  std::string file_name;  // with .npy
  int method = kStored;
  std::uint32_t crc = 0;
  std::uint64_t compressed = 0, size = 0, local_offset = 0;
};

/// Little-endian fields of a fixed record.
class Fields {
 public:
  explicit Fields(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t at(std::size_t offset, std::size_t size) const {
    return little_endian(bytes_.subspan(offset, size));
  }

 private:
  std::span<const std::byte> bytes_;
};

struct Directory {
  std::uint64_t offset, size, members;
};

/// Finds the end record, which a comment of up to 64 KiB may follow, and the zip64 one
/// that may stand before it.
Directory find_directory(Source& file) {
  if (file.size() < kEndBytes) bad_file(file.name(), "zip: too short for an end record");
  const std::uint64_t tail_bytes = std::min<std::uint64_t>(file.size(), kEndBytes + kMaxCommentBytes);
  const std::uint64_t tail_begin = file.size() - tail_bytes;
  std::vector<std::byte> tail(tail_bytes);
  file.read(tail_begin, tail, "zip end record");
  for (std::uint64_t at = tail_bytes - kEndBytes + 1; at-- > 0;) {
    const Fields end{std::span(tail).subspan(at)};
    if (end.at(0, 4) != kEndSignature || end.at(20, 2) != tail_bytes - at - kEndBytes) continue;
    if (end.at(4, 2) != end.at(6, 2)) bad_file(file.name(), "zip: the archive is split over several files");
    Directory directory{end.at(16, 4), end.at(12, 4), end.at(10, 2)};

    std::byte locator_bytes[kZip64LocatorBytes];
    const std::uint64_t end_offset = tail_begin + at;
    if (end_offset < kZip64LocatorBytes) return directory;
    file.read(end_offset - kZip64LocatorBytes, locator_bytes, "zip64 locator");
    const Fields locator{locator_bytes};
    if (locator.at(0, 4) != kZip64LocatorSignature) return directory;
    std::byte end64_bytes[kZip64EndBytes];
    file.read(locator.at(8, 8), end64_bytes, "zip64 end record");
    const Fields end64{end64_bytes};
    if (end64.at(0, 4) != kZip64EndSignature)
      bad_file(file.name(), "zip: the zip64 locator points to no end record");
    return {end64.at(48, 8), end64.at(40, 8), end64.at(32, 8)};
  }
  bad_file(file.name(), "zip: no end record; the file is cut short or no archive");
}

/// Replaces those of size, compressed size and offset that the directory left at 0xffffffff, in this order.
void apply_zip64(std::span<const std::byte> extra, Member& member, const std::string& file) {
  std::vector<std::uint64_t*> open;
  for (std::uint64_t* field : {&member.size, &member.compressed, &member.local_offset}) {
    if (*field == 0xffffffffu) open.push_back(field);
  }
  for (std::size_t at = 0; at + 4 <= extra.size() && !open.empty();) {
    const std::uint64_t id = little_endian(extra.subspan(at, 2));
    const std::uint64_t bytes = little_endian(extra.subspan(at + 2, 2));
    if (bytes > extra.size() - at - 4)
      bad_file(file, "zip: member '" + member.file_name + "' has a broken extra field");
    if (id == 1) {
      if (bytes < 8 * open.size()) bad_file(file, "zip: member '" + member.file_name + "' lacks a zip64 size");
      for (std::size_t i = 0; i < open.size(); ++i) *open[i] = little_endian(extra.subspan(at + 4 + 8 * i, 8));
      return;
    }
    at += 4 + bytes;
  }
}

std::vector<Member> read_directory(Source& file, const ReadOptions& options) {
  const Directory directory = find_directory(file);
  if (directory.size > kMaxDirectoryBytes || directory.members > directory.size / kCentralBytes) {
    bad_file(file.name(), "zip: the directory claims " + std::to_string(directory.members) + " members in " +
                              std::to_string(directory.size) + " bytes");
  }
  std::vector<Member> members;
  std::set<std::string> seen;
  if (directory.offset > file.size() || directory.size > file.size() - directory.offset) {
    bad_file(file.name(), "zip: the directory lies outside the file");
  }
  std::vector<std::byte> bytes(directory.size);
  file.read(directory.offset, bytes, "zip directory");
  std::span<const std::byte> rest = bytes;
  bool pytorch = false;  // its checkpoints are archives of a pickle and raw data
  for (std::uint64_t i = 0; i < directory.members; ++i) {
    if (rest.size() < kCentralBytes) bad_file(file.name(), "zip: the directory is cut short");
    const Fields entry{rest};
    if (entry.at(0, 4) != kCentralSignature) bad_file(file.name(), "zip: the directory has a broken entry");
    const std::size_t name_bytes = entry.at(28, 2), extra_bytes = entry.at(30, 2),
                      comment_bytes = entry.at(32, 2);
    if (rest.size() - kCentralBytes < name_bytes + extra_bytes + comment_bytes) {
      bad_file(file.name(), "zip: the directory is cut short");
    }
    Member member;
    member.file_name.assign(reinterpret_cast<const char*>(rest.data()) + kCentralBytes, name_bytes);
    member.method = static_cast<int>(entry.at(10, 2));
    member.crc = static_cast<std::uint32_t>(entry.at(16, 4));
    member.compressed = entry.at(20, 4);
    member.size = entry.at(24, 4);
    member.local_offset = entry.at(42, 4);
    apply_zip64(rest.subspan(kCentralBytes + name_bytes, extra_bytes), member, file.name());
    const bool encrypted = (entry.at(8, 2) & 1) != 0;
    rest = rest.subspan(kCentralBytes + name_bytes + extra_bytes + comment_bytes);

    pytorch = pytorch || member.file_name.ends_with("/data.pkl");
    if (!member.file_name.ends_with(".npy")) continue;
    const std::string where = "zip: member '" + member.file_name + "' ";
    if (encrypted) bad_file(file.name(), where + "is encrypted");
    if (member.method != kStored && member.method != kDeflated) {
      bad_file(file.name(), where + "has compression method " + std::to_string(member.method) +
                                "; stored and deflated are read");
    }
    if (member.method == kStored && member.compressed != member.size)
      bad_file(file.name(), where + "is stored with two sizes");
    if (member.method == kDeflated &&
        (member.size > options.max_inflated_bytes || member.size / kMaxDeflateRatio > member.compressed)) {
      bad_file(file.name(), where + "claims " + std::to_string(member.size) + " bytes from " +
                                std::to_string(member.compressed) + "; that is refused");
    }
    if (!seen.insert(member.file_name).second) bad_file(file.name(), where + "is there twice");
    members.push_back(std::move(member));
  }
  if (members.empty() && directory.members > 0) {
    bad_file(
        file.name(),
        pytorch
            ? "this is a PyTorch checkpoint; convert its tensors with Python, by safetensors.torch.save_file"
            : "this is a zip archive without .npy members, so no .npz; numpy.savez writes one");
  }
  return members;
}

/// One member's bytes, inflated on the way, with their CRC. Must be read front to back.
class MemberSource final : public Source {
 public:
  MemberSource(Source& file, const Member& member, std::uint64_t data_offset)
      : Source(file.name() + ":" + member.file_name, member.size),
        file_(file),
        member_(member),
        next_(data_offset) {
    if (member_.method == kDeflated && inflateInit2(&zlib_, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  MemberSource(const MemberSource&) = delete;
  MemberSource& operator=(const MemberSource&) = delete;
  ~MemberSource() override {
    if (member_.method == kDeflated) inflateEnd(&zlib_);
  }

  /// After the last byte: the data must have ended, with the CRC that the directory says.
  void finish() {
    if (member_.method == kDeflated) {
      std::byte extra;
      if (inflate_some({&extra, 1}) != 0 || !ended_)
        bad_file(name(), "zip: there is more compressed data than its size says");
    }
    if (crc_ != member_.crc) bad_file(name(), "zip: the CRC-32 does not match; the data is damaged");
  }

 private:
  void read_within(std::uint64_t offset, std::span<std::byte> into) override {
    if (offset != position_)
      throw Error(ErrorCode::internal, name() + ": a zip member was not read front to back");
    if (member_.method == kStored) {
      file_.read(next_, into, "stored data");
      next_ += into.size();
    } else {
      for (std::span<std::byte> rest = into; !rest.empty();) {
        const std::size_t made = inflate_some(rest);
        if (made == 0) bad_file(name(), "zip: the compressed data ends early");
        rest = rest.subspan(made);
      }
    }
    position_ += into.size();
    for (std::span<const std::byte> rest = into; !rest.empty();) {
      const std::size_t part = std::min<std::size_t>(rest.size(), 1u << 30);
      crc_ = static_cast<std::uint32_t>(
          crc32(crc_, reinterpret_cast<const Bytef*>(rest.data()), static_cast<uInt>(part)));
      rest = rest.subspan(part);
    }
  }

  /// Inflates up to into.size() bytes; 0 when the stream has ended or the member has no more bytes.
  std::size_t inflate_some(std::span<std::byte> into) {
    const auto room = static_cast<uInt>(std::min<std::size_t>(into.size(), 1u << 30));
    zlib_.next_out = reinterpret_cast<Bytef*>(into.data());
    zlib_.avail_out = room;
    while (zlib_.avail_out == room && !ended_) {
      if (zlib_.avail_in == 0 && consumed_ < member_.compressed) {
        const std::uint64_t part = std::min<std::uint64_t>(sizeof(buffer_), member_.compressed - consumed_);
        file_.read(next_, std::span(buffer_).first(part), "deflated data");
        next_ += part;
        consumed_ += part;
        zlib_.next_in = reinterpret_cast<Bytef*>(buffer_);
        zlib_.avail_in = static_cast<uInt>(part);
      }
      const int result = inflate(&zlib_, Z_NO_FLUSH);
      ended_ = result == Z_STREAM_END;
      if (result == Z_BUF_ERROR) break;  // no input left
      if (result != Z_OK && !ended_) bad_file(name(), "zip: the compressed data is broken");
    }
    return room - zlib_.avail_out;
  }

  Source& file_;
  const Member& member_;
  std::uint64_t next_;          // in the file
  std::uint64_t consumed_ = 0;  // compressed bytes taken
  std::uint64_t position_ = 0;  // bytes given
  std::uint32_t crc_ = 0;
  z_stream zlib_{};
  bool ended_ = false;
  std::byte buffer_[65536];
};

class NpzFile final : public TensorFile {
 public:
  NpzFile(std::unique_ptr<Source> source, const ReadOptions& options)
      : TensorFile(std::move(source)), options_(options), members_(read_directory(*source_, options)) {
    for (const Member& member : members_)
      names_.push_back(member.file_name.substr(0, member.file_name.size() - 4));
  }

 private:
  Tensor read_at(std::size_t index) override {
    const Member& member = members_[index];
    MemberSource data(*source_, member, data_offset(member));
    Tensor tensor = read_npy(data, options_);
    data.finish();
    return tensor;
  }

  /// The local header repeats the name and has an extra field of its own length.
  std::uint64_t data_offset(const Member& member) {
    const std::string& file = source_->name();
    std::byte header[kLocalBytes];
    source_->read(member.local_offset, header, "zip local header");
    const Fields local{header};
    std::string local_name(local.at(26, 2), '\0');
    if (local.at(0, 4) != kLocalSignature)
      bad_file(file, "zip: member '" + member.file_name + "' has no local header");
    source_->read(member.local_offset + kLocalBytes, std::as_writable_bytes(std::span(local_name)),
                  "zip local name");
    if (local_name != member.file_name)
      bad_file(file, "zip: member '" + member.file_name + "' has another name locally");
    const std::uint64_t offset = member.local_offset + kLocalBytes + local_name.size() + local.at(28, 2);
    if (offset > source_->size() || member.compressed > source_->size() - offset) {
      bad_file(file, "zip: member '" + member.file_name + "' lies outside the file");
    }
    return offset;
  }

  ReadOptions options_;
  std::vector<Member> members_;
};

void append(std::string& record, std::uint64_t value, int bytes) {
  for (; bytes > 0; --bytes, value >>= 8) record += static_cast<char>(value & 0xff);
}

/// The part that a member's local header and its directory entry share: version 2.0, stored, 1980-01-01.
std::string common_header(std::uint32_t crc, std::uint64_t size, std::size_t name_bytes) {
  std::string record;
  append(record, 20, 2);
  append(record, 0, 2);
  append(record, kStored, 2);
  append(record, 0, 2);
  append(record, 0x21, 2);
  append(record, crc, 4);
  append(record, size, 4);
  append(record, size, 4);
  append(record, name_bytes, 2);
  append(record, 0, 2);
  return record;
}

}  // namespace

std::unique_ptr<TensorFile> open_npz(std::unique_ptr<Source> source, const ReadOptions& options) {
  return std::make_unique<NpzFile>(std::move(source), options);
}

void write_npz(std::ostream& out, std::span<const NamedView> tensors) {
  constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
  std::string directory;
  std::uint64_t offset = 0;
  std::set<std::string> seen;
  for (const NamedView& tensor : tensors) {
    const std::string file_name = tensor.name + ".npy";
    if (!seen.insert(file_name).second) {
      throw Error(ErrorCode::invalid_argument, "write_npz: name '" + tensor.name + "' is given twice");
    }
    if (seen.size() >= 65535) throw Error(ErrorCode::invalid_argument, "write_npz: more than 65534 tensors");
    if (offset + npy_size(tensor.view) + file_name.size() + kLocalBytes >= kMax32) {
      throw Error(ErrorCode::invalid_argument,
                  "write_npz: '" + tensor.name + "' does not fit in 4 GiB; write .safetensors");
    }
    std::ostringstream member;
    write_npy(member, tensor.view);
    const std::string data = std::move(member).str();
    const auto crc = static_cast<std::uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())));
    const std::string common = common_header(crc, data.size(), file_name.size());

    std::string local;
    append(local, kLocalSignature, 4);
    local += common + file_name;
    append(directory, kCentralSignature, 4);
    append(directory, 20, 2);
    directory += common;
    append(directory, 0, 2 + 2 + 2 + 4);  // comment, disk, attributes
    append(directory, offset, 4);
    directory += file_name;

    out.write(local.data(), static_cast<std::streamsize>(local.size()));
    out.write(data.data(), static_cast<std::streamsize>(data.size()));
    offset += local.size() + data.size();
  }
  std::string end;
  append(end, kEndSignature, 4);
  append(end, 0, 2 + 2);
  append(end, tensors.size(), 2);
  append(end, tensors.size(), 2);
  append(end, directory.size(), 4);
  append(end, offset, 4);
  append(end, 0, 2);
  out.write(directory.data(), static_cast<std::streamsize>(directory.size()));
  out.write(end.data(), static_cast<std::streamsize>(end.size()));
}

}  // namespace flashtile::io
