// The engine's ops and their attributes, as cpp/ops reads them.
#pragma once

#include <span>

namespace convlet::fuzz {

enum class Kind { kFlag, kNumber, kSize, kInteger, kText, kSingle, kPair, kIntegers, kNumbers };

struct AttributeSchema {
  const char* name;
  Kind kind;
  bool optional = false;
  std::span<const char* const> texts = {};  // that mean something
};

struct OpSchema {
  const char* name;
  std::span<const AttributeSchema> attributes;
};

// In alphabetical order, like that of cpp/ops/registry.cpp.
std::span<const OpSchema> op_schemas();

}  // namespace convlet::fuzz
