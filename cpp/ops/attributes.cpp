#include "ops/attributes.hpp"

namespace convlet {
namespace {

void check_positive(const std::string& name, std::int64_t value) {
  if (value >= 1 && value <= kMaxElements) return;
  throw ValueError("`" + name + "` must be an integer between 1 and " +
                   std::to_string(kMaxElements) + ". Received: " + name + "=" +
                   std::to_string(value));
}

}  // namespace

double Attributes::number(const std::string& name) const {
  const auto found = values_.find(name);
  if (found != values_.end()) {
    if (const auto* integer = std::get_if<std::int64_t>(found->second.get()))
      return static_cast<double>(*integer);
  }
  return get<double>(name, "a number");
}

std::int64_t Attributes::positive(const std::string& name) const {
  const auto value = get<std::int64_t>(name, "an integer");
  check_positive(name, value);
  return value;
}

std::vector<std::int64_t> Attributes::positive_pair(const std::string& name) const {
  const Shape& pair = get<Shape>(name, "a tuple of two integers");
  if (pair.size() != 2) {
    throw ValueError("`" + name + "` must have two elements. Received: " + name + "=" +
                     tuple_string(pair));
  }
  for (const std::int64_t value : pair) check_positive(name, value);
  return pair;
}

std::int64_t Attributes::positive_single(const std::string& name) const {
  const Shape& single = get<Shape>(name, "a tuple of one integer");
  if (single.size() != 1) {
    throw ValueError("`" + name + "` must have one element. Received: " + name + "=" +
                     tuple_string(single));
  }
  check_positive(name, single.front());
  return single.front();
}

double Attributes::number_or(const std::string& name, double otherwise) const {
  return has(name) ? number(name) : otherwise;
}

std::string Attributes::text_or(const std::string& name, const std::string& otherwise) const {
  return has(name) ? text(name) : otherwise;
}

}  // namespace convlet
