#include "model/safetensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>
#include <utility>

#include "absl/base/casts.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "model/mapped_file.h"
#include "model/one_line.h"
#include "model/status_macros.h"
#include "model/strict_json.h"

namespace trimtab {
namespace {

using nlohmann::json;

constexpr size_t kLengthBytes = 8;

struct DTypeInfo {
  absl::string_view name;
  DType dtype;
  uint64_t bits;
};

// Every dtype of the format, so that unread tensors of other types still get their sizes checked.
constexpr DTypeInfo kDTypes[] = {
    {"F32", DType::kF32, 32},   {"BF16", DType::kBF16, 16},    {"F16", DType::kF16, 16},     {"F64", DType::kOther, 64},
    {"I64", DType::kOther, 64}, {"I32", DType::kOther, 32},    {"I16", DType::kOther, 16},   {"I8", DType::kOther, 8},
    {"U64", DType::kOther, 64}, {"U32", DType::kOther, 32},    {"U16", DType::kOther, 16},   {"U8", DType::kOther, 8},
    {"BOOL", DType::kOther, 8}, {"F8_E4M3", DType::kOther, 8}, {"F8_E5M2", DType::kOther, 8}};

const DTypeInfo* FindDType(absl::string_view name) {
  for (const DTypeInfo& info : kDTypes) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

// One tensor's entry, still as offsets.
struct Entry {
  std::string name;
  Tensor tensor;
  uint64_t begin = 0, end = 0;
};

absl::Status Wrong(absl::string_view name, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("tensor ", absl::CHexEscape(name.substr(0, 200)), ": ", problem));
}

absl::StatusOr<uint64_t> ByteSize(absl::string_view name, const json& shape, uint64_t bits, Tensor* tensor) {
  if (!shape.is_array() || shape.size() > 8) return Wrong(name, "shape is not a list of at most 8 sizes");
  uint64_t elements = 1;
  for (const json& extent : shape) {
    if (!extent.is_number_unsigned()) return Wrong(name, "shape has an entry that is not a non-negative integer");
    const uint64_t size = extent.get<uint64_t>();
    if (size > uint64_t{1} << 62 || __builtin_mul_overflow(elements, size, &elements) || elements > uint64_t{1} << 56) {
      return Wrong(name, "shape has more elements than any file can hold");
    }
    tensor->shape.push_back(static_cast<int64_t>(size));
  }
  return elements * (bits / 8);
}

absl::StatusOr<Entry> ParseEntry(const std::string& name, const json& object) {
  if (!object.is_object() || object.size() != 3 || !object.contains("dtype") || !object.contains("shape") ||
      !object.contains("data_offsets")) {
    return Wrong(name, "entry is not {dtype, shape, data_offsets}");
  }
  if (!object["dtype"].is_string()) return Wrong(name, "dtype is not a string");
  const std::string dtype = object["dtype"].get<std::string>();
  const DTypeInfo* info = FindDType(dtype);
  if (info == nullptr) return Wrong(name, absl::StrCat("dtype is ", OneLine(dtype), "; expected F32, BF16 or F16"));
  Entry entry{name, {}, 0, 0};
  entry.tensor.dtype = info->dtype;
  ASSIGN_OR_RETURN(const uint64_t size, ByteSize(name, object["shape"], info->bits, &entry.tensor));
  const json& offsets = object["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    return Wrong(name, "data_offsets is not two non-negative integers");
  }
  entry.begin = offsets[0].get<uint64_t>();
  entry.end = offsets[1].get<uint64_t>();
  if (entry.begin > entry.end) return Wrong(name, "data_offsets end before they begin");
  if (entry.end - entry.begin != size) {
    return Wrong(name,
                 absl::StrCat("data_offsets span ", entry.end - entry.begin, " bytes; dtype and shape need ", size));
  }
  return entry;
}

absl::Status ParseMetadata(const json& object, std::map<std::string, std::string>* metadata) {
  if (!object.is_object()) return absl::InvalidArgumentError("__metadata__ is not an object");
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat("__metadata__ ", OneLine(key), " is not a string"));
    }
    (*metadata)[key] = value.get<std::string>();
  }
  return absl::OkStatus();
}

// The entries must tile the data exactly: no hole, no overlap, nothing left over.
absl::Status CheckTiling(std::vector<Entry>& entries, uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      return Wrong(entry.name, absl::StrCat("data begins at ", entry.begin, "; expected ", covered,
                                            entry.begin < covered ? " (overlap)" : " (hole)"));
    }
    covered = entry.end;
  }
  if (covered == data_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("tensors cover ", covered, " bytes of data; the file has ", data_bytes));
}

float FromBf16(uint16_t bits) { return absl::bit_cast<float>(uint32_t{bits} << 16); }

uint16_t ToBf16(float value) {
  const auto bits = absl::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float FromF16(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent == 0) return (sign != 0 ? -1.0f : 1.0f) * std::ldexp(static_cast<float>(fraction), -24);
  if (exponent == 31) return absl::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  return absl::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

template <typename Widen>
void WidenAll(std::span<const std::byte> bytes, Widen widen, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes.data() + 2 * i, sizeof(bits));
    out[i] = widen(bits);
  }
}

// REQUIRES: `tensor` is a float.
void WidenTensor(const Tensor& tensor, std::span<float> out) {
  if (out.empty()) return;
  if (tensor.dtype == DType::kF32) {
    std::memcpy(out.data(), tensor.bytes.data(), out.size_bytes());
  } else if (tensor.dtype == DType::kBF16) {
    WidenAll(tensor.bytes, FromBf16, out);
  } else {
    WidenAll(tensor.bytes, FromF16, out);
  }
}

absl::Status InFile(absl::string_view name, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(name, ": ", status.message()));
}

}  // namespace

absl::string_view DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "F32";
    case DType::kBF16:
      return "BF16";
    case DType::kF16:
      return "F16";
    case DType::kOther:
      break;
  }
  return "other";
}

int64_t Tensor::elements() const {
  int64_t elements = 1;
  for (int64_t extent : shape) elements *= extent;
  return elements;
}

absl::Status ToFloat32(const Tensor& tensor, absl::string_view name, std::span<float> out) {
  if (tensor.dtype == DType::kOther) return Wrong(name, "dtype is not a float; expected F32, BF16 or F16");
  WidenTensor(tensor, out);
  const auto bad = std::find_if(out.begin(), out.end(), [](float value) { return !std::isfinite(value); });
  if (bad == out.end()) return absl::OkStatus();
  return Wrong(name, absl::StrCat("element ", bad - out.begin(), " is ", *bad, "; expected finite values"));
}

std::string RoundToBf16(const Tensor& tensor) {
  std::vector<float> values(tensor.elements());
  WidenTensor(tensor, values);
  std::string rounded(values.size() * sizeof(uint16_t), '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = ToBf16(values[i]);
    std::memcpy(&rounded[i * sizeof(bits)], &bits, sizeof(bits));
  }
  return rounded;
}

Tensor RoundedTensors::Round(Tensor tensor) {
  const std::string& bytes = bytes_.emplace_back(RoundToBf16(tensor));
  tensor.dtype = DType::kBF16;
  tensor.bytes = std::as_bytes(std::span<const char>(bytes.data(), bytes.size()));
  return tensor;
}

absl::StatusOr<Safetensors> Safetensors::Open(const std::string& path) {
  ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> file, MappedFile::Open(path));
  const std::span<const std::byte> bytes = file->bytes();
  return Parse(std::move(file), bytes, path);
}

absl::StatusOr<Safetensors> Safetensors::FromBytes(std::string bytes, absl::string_view name) {
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  const auto view = std::as_bytes(std::span<const char>(owner->data(), owner->size()));
  return Parse(std::move(owner), view, name);
}

absl::StatusOr<Safetensors> Safetensors::Parse(std::shared_ptr<const void> owner, std::span<const std::byte> bytes,
                                               absl::string_view name) {
  if (bytes.size() < kLengthBytes) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": has ", bytes.size(), " bytes; expected at least 8"));
  }
  uint64_t header_bytes;
  std::memcpy(&header_bytes, bytes.data(), kLengthBytes);
  const uint64_t limit = std::min<uint64_t>(kMaxHeaderBytes, bytes.size() - kLengthBytes);
  if (header_bytes > limit) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": header is said to have ", header_bytes, " bytes; expected at most ", limit));
  }
  const absl::string_view header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, header_bytes);
  if (header.empty() || header[0] != '{') {
    return absl::InvalidArgumentError(absl::StrCat(name, ": header does not begin with '{'"));
  }
  ASSIGN_OR_RETURN(const json object, ParseStrictJson(header, name, {.max_bytes = kMaxHeaderBytes, .max_depth = 4}));
  if (object.size() > kMaxTensors) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": has ", object.size(), " tensors; expected at most ", kMaxTensors));
  }
  Safetensors file;
  std::vector<Entry> entries;
  for (const auto& [key, value] : object.items()) {
    if (key == "__metadata__") {
      if (absl::Status status = ParseMetadata(value, &file.metadata_); !status.ok()) return InFile(name, status);
      continue;
    }
    absl::StatusOr<Entry> entry = ParseEntry(key, value);
    if (!entry.ok()) return InFile(name, entry.status());
    entries.push_back(*std::move(entry));
  }
  const std::span<const std::byte> data = bytes.subspan(kLengthBytes + header_bytes);
  if (absl::Status status = CheckTiling(entries, data.size()); !status.ok()) return InFile(name, status);
  for (Entry& entry : entries) {
    entry.tensor.bytes = data.subspan(entry.begin, entry.end - entry.begin);
    file.tensors_.emplace(std::move(entry.name), std::move(entry.tensor));
  }
  file.owner_ = std::move(owner);
  file.data_bytes_ = static_cast<int64_t>(data.size());
  return file;
}

const Tensor* Safetensors::Find(absl::string_view name) const {
  const auto found = tensors_.find(std::string(name));
  return found == tensors_.end() ? nullptr : &found->second;
}

absl::StatusOr<std::string> SafetensorsHeader(const std::vector<std::pair<std::string, Tensor>>& tensors,
                                              const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.dtype == DType::kOther) return Wrong(name, "dtype cannot be written; expected F32, BF16 or F16");
    header[name] = {{"dtype", std::string(DTypeName(tensor.dtype))},
                    {"shape", tensor.shape},
                    {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t header_bytes = text.size();
  return std::string(reinterpret_cast<const char*>(&header_bytes), kLengthBytes) + text;
}

absl::Status WriteSafetensors(const std::string& path, const std::map<std::string, Tensor, std::less<>>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  ASSIGN_OR_RETURN(std::string file, SafetensorsHeader({tensors.begin(), tensors.end()}, metadata));
  size_t bytes = file.size();
  for (const auto& [name, tensor] : tensors) bytes += tensor.bytes.size();
  file.reserve(bytes);
  for (const auto& [name, tensor] : tensors) {
    file.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  return WriteFileAtomically(path, std::as_bytes(std::span<const char>(file.data(), file.size())));
}

}  // namespace trimtab
