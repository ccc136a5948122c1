#include "engine/optimizer.hpp"

#include "kernels/rmsprop.hpp"

namespace convlet {
namespace {

class Rmsprop final : public Optimizer {
 public:
  Rmsprop(const Attributes& attributes, std::int64_t size)
      : rho_(static_cast<float>(attributes.number("rho"))),
        momentum_(static_cast<float>(attributes.number("momentum"))),
        epsilon_(static_cast<float>(attributes.number("epsilon"))) {
    add_slot("velocity", size);
    if (momentum_ > 0.0F) add_slot("momentum", size);
    if (attributes.boolean("centered")) add_slot("average_gradient", size);
  }

  void update(std::int64_t begin, std::int64_t size, float learning_rate, std::int64_t, const float* g,
              float* w) override {
    float* slot[3] = {};
    std::size_t next = 0;
    slot[0] = slots()[next++].values.data() + begin;
    if (momentum_ > 0.0F) slot[1] = slots()[next++].values.data() + begin;
    if (next < slots().size()) slot[2] = slots()[next].values.data() + begin;
    rmsprop({learning_rate, rho_, momentum_, epsilon_}, size, g, w, slot[0], slot[1], slot[2]);
  }

 private:
  float rho_;
  float momentum_;
  float epsilon_;
};

}  // namespace

Buffer& Optimizer::add_slot(const char* name, std::int64_t size) {
  slots_.push_back({name, Buffer(size)});
  return slots_.back().values;
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, const Attributes& attributes, std::int64_t size) {
  if (name == "rmsprop") return std::make_unique<Rmsprop>(attributes, size);
  throw ValueError("Unknown optimizer: '" + name + "'");
}

}  // namespace convlet
