// The named settings of an op, loss or optimizer, as they come from Python.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ops/shape.hpp"

namespace convlet {

using AttributeValue = std::variant<bool, std::int64_t, double, std::string,
                                    std::vector<std::int64_t>, std::vector<double>>;

class Attributes {
 public:
  // ValueError if the attribute is missing or of another type; an integer will do for a double.
  bool boolean(const std::string& name) const { return get<bool>(name, "a bool"); }
  double number(const std::string& name) const;
  std::int64_t integer(const std::string& name) const {
    return get<std::int64_t>(name, "an integer");
  }
  std::string text(const std::string& name) const { return get<std::string>(name, "a string"); }
  Shape integers(const std::string& name) const { return get<Shape>(name, "a tuple of integers"); }
  std::vector<double> numbers(const std::string& name) const {
    return get<std::vector<double>>(name, "a tuple of floats");
  }
  // An integer in [1, kMaxElements].
  std::int64_t positive(const std::string& name) const;
  // Two such integers, and the one of a tuple of one.
  std::vector<std::int64_t> positive_pair(const std::string& name) const;
  std::int64_t positive_single(const std::string& name) const;

  double number_or(const std::string& name, double otherwise) const;
  std::string text_or(const std::string& name, const std::string& otherwise) const;
  bool has(const std::string& name) const { return values_.contains(name); }
  void set(const std::string& name, AttributeValue value) {
    auto shared = std::make_shared<const AttributeValue>(std::move(value));
    values_[name] = std::move(shared);
  }

 private:
  template <class T>
  const T& get(const std::string& name, const char* expected) const {
    const auto found = values_.find(name);
    if (found == values_.end())
      throw ValueError("Missing attribute `" + name + "`: expected " + expected + ".");
    const T* value = std::get_if<T>(found->second.get());
    if (value == nullptr) throw ValueError("Attribute `" + name + "` must be " + expected + ".");
    return *value;
  }

  // Copies share the values: where a copy of a variant runs out of memory, the C++ library of GCC
  // 12 destroys an alternative that is not there.
  std::map<std::string, std::shared_ptr<const AttributeValue>> values_;
};

}  // namespace convlet
