#include "engine/optimizer.hpp"

#include "kernels/rmsprop.hpp"

namespace convlet {
namespace {

class Rmsprop final : public Optimizer {
 public:
  Rmsprop(const Attributes& attributes, std::int64_t size)
      : constants_(0.0, attributes.number("rho"), attributes.number("momentum"),
                   attributes.number("epsilon")) {
    add_slot("velocity", size);
    if (constants_.momentum > 0.0F) add_slot("momentum", size);
    if (attributes.boolean("centered")) add_slot("average_gradient", size);
  }

  void update(std::int64_t begin, std::int64_t size, float learning_rate, std::int64_t,
              const float* g, float* w) override {
    RmspropConstants constants = constants_;
    constants.learning_rate = learning_rate;
    const auto slot = [&](std::size_t i) { return slots()[i].values.data() + begin; };
    const bool momentum = constants.momentum > 0.0F;
    const std::size_t average = momentum ? 2 : 1;
    rmsprop(constants, size, g, w, slot(0), momentum ? slot(1) : nullptr,
            average < slots().size() ? slot(average) : nullptr);
  }

 private:
  RmspropConstants constants_;
};

}  // namespace

Buffer& Optimizer::add_slot(const char* name, std::int64_t size) {
  slots_.push_back({name, Buffer(size)});
  return slots_.back().values;
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, const Attributes& attributes,
                                          std::int64_t size) {
  if (name == "rmsprop") return std::make_unique<Rmsprop>(attributes, size);
  throw ValueError("Unknown optimizer: '" + name + "'");
}

}  // namespace convlet
