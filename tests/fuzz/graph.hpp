// Small networks that mean something, drawn from bytes: as the engine takes them and as the oracle
// computes them.
#pragma once

#include <memory>
#include <vector>

#include "bytes.hpp"
#include "engine/program.hpp"
#include "oracle.hpp"

namespace convlet::fuzz {

// One op. A node without a layer is the sum of its two inputs.
struct Node {
  OpSpec spec;
  std::shared_ptr<Layer> layer;
  Shape shape;                          // of its output
  std::vector<Shape> parameter_shapes;  // in the engine's order
};

// Rows of a batch, and what becomes of them.
struct Graph {
  Shape input;
  std::int64_t rows;
  bool training;       // or inference
  std::uint64_t step;  // of training
  std::vector<Node> nodes;

  const Shape& shape(std::size_t tensor) const {
    return tensor == 0 ? input : nodes[tensor - 1].shape;
  }
};

// Few enough products for a thousand of them a second.
Graph draw_graph(Bytes& bytes);

}  // namespace convlet::fuzz
