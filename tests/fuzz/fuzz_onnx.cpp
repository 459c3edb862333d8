// ONNX models: whatever the bytes, a valid Network or an InputError.

#include "core/error.h"
#include "core/model_io.h"
#include "tests/fuzz/mutate_protobuf.h"
#include "tests/fuzz/onnx_bytes.h"

namespace {

using namespace bitline::fuzz;

std::string float_network() {
    ModelBytes m;
    m.value(11, "x", {1, 6, 6}).value(12, "y", {3});
    m.tensor("w", kFloat, {2, 1, 3, 3}, 0.1F).tensor("b", kFloat, {2}, 0.5F);
    for (const char* name : {"gamma", "beta", "mean", "variance"}) m.tensor(name, kFloat, {1, 1}, 1.0F);
    m.tensor("s", kFloat, {2}, 0.25F).tensor("fw", kFloat, {3, 2}, 0.2F).tensor("fb", kFloat, {3}, 0.1F);
    m.node("Conv", {"x", "w", "b"}, "c", {attribute("pads", {1, 1, 1, 1}), attribute("kernel_shape", {3, 3})});
    m.node("Relu", {"c"}, "r").node("Add", {"c", "r"}, "a");
    m.node("MaxPool", {"a"}, "p", {attribute("kernel_shape", {2, 2}), attribute("strides", {2, 2})});
    m.node("AveragePool", {"p"}, "v", {attribute("kernel_shape", {2, 2}), attribute("auto_pad", "SAME_UPPER")});
    m.node("GlobalAveragePool", {"v"}, "gp").node("Flatten", {"gp"}, "f").node("Mul", {"f", "s"}, "fs");
    m.node("Gemm", {"fs", "fw", "fb"}, "g", {attribute("transB", int64_t(1)), attribute("alpha", 1.0F)});
    m.node("Softmax", {"g"}, "y", {attribute("axis", int64_t(-1))});
    return m.bytes();
}

std::string qdq_network() {
    ModelBytes m;
    m.value(11, "x", {1, 4, 4}).value(12, "y", {2});
    m.tensor("sx", kFloat, {}, 0.05F).tensor("zx", kUint8, {}).tensor("sw", kFloat, {}, 0.1F).tensor("zw", kInt8, {});
    m.tensor("w", kInt8, {2, 1, 3, 3}).tensor("fw", kInt8, {8, 2});
    m.node("QuantizeLinear", {"x", "sx", "zx"}, "xq").node("DequantizeLinear", {"xq", "sx", "zx"}, "xd");
    m.node("DequantizeLinear", {"w", "sw", "zw"}, "wd").node("Conv", {"xd", "wd"}, "c").node("Relu", {"c"}, "r");
    m.node("QuantizeLinear", {"r", "sx", "zx"}, "rq").node("DequantizeLinear", {"rq", "sx", "zx"}, "rd");
    m.integers("first", {0}).integers("rest", {-1});
    m.node("Shape", {"rd"}, "sh").node("Gather", {"sh", "first"}, "n");
    m.node("Concat", {"n", "rest"}, "to", {attribute("axis", int64_t(0))}).node("Reshape", {"rd", "to"}, "f");
    m.node("DequantizeLinear", {"fw", "sw", "zw"}, "fwd").node("MatMul", {"f", "fwd"}, "y");
    return m.bytes();
}

std::string operator_network() {
    ModelBytes m;
    m.opset = 11;
    m.value(11, "x", {1, 4, 4}).value(12, "y", {2});
    m.tensor("sx", kFloat, {}, 0.05F).tensor("zx", kUint8, {}).tensor("sw", kFloat, {}, 0.1F).tensor("zw", kInt8, {});
    m.tensor("w", kInt8, {2, 1, 3, 3}).tensor("b", kInt32, {2}).tensor("fw", kInt8, {8, 2});
    m.node("QuantizeLinear", {"x", "sx", "zx"}, "xq");
    m.node("QLinearConv", {"xq", "sx", "zx", "w", "sw", "zw", "sx", "zx", "b"}, "c");
    m.node("Flatten", {"c"}, "f", {attribute("axis", int64_t(1))});
    m.node("QLinearMatMul", {"f", "sx", "zx", "fw", "sw", "zw", "sx", "zx"}, "q");
    m.node("DequantizeLinear", {"q", "sx", "zx"}, "y");
    return m.bytes();
}

std::string qonnx_network() {
    ModelBytes m;
    m.domain = "qonnx.custom_op.general";
    m.value(11, "x", {4}).value(12, "y", {2});
    m.tensor("one", kFloat, {}, 1.0F).tensor("zero", kFloat, {}, 0.0F).tensor("four", kFloat, {}, 4.0F);
    m.tensor("w", kFloat, {4, 3}, 0.3F).tensor("v", kFloat, {3, 2}, 1.0F);
    const std::vector<Message> quant{attribute("signed", int64_t(1)), attribute("narrow", int64_t(0)),
                                     attribute("rounding_mode", "ROUND")};
    m.node("Quant", {"x", "one", "zero", "four"}, "xq", quant).node("Quant", {"w", "one", "zero", "four"}, "wq", quant);
    m.node("MatMul", {"xq", "wq"}, "p").node("BipolarQuant", {"p", "one"}, "pq");
    m.node("BipolarQuant", {"v", "one"}, "vq").node("MatMul", {"pq", "vq"}, "y");
    return m.bytes();
}

std::string integer_network() {
    ModelBytes m;
    m.value(11, "x", {4}).value(12, "y", {2});
    m.tensor("sx", kFloat, {}, 0.05F).tensor("zx", kUint8, {}).tensor("w", kInt8, {4, 2}).integers("axes", {1});
    m.node("QuantizeLinear", {"x", "sx", "zx"}, "xq").node("MatMulInteger", {"xq", "w", "zx"}, "i");
    m.node("Cast", {"i"}, "f", {attribute("to", int64_t(kFloat))}).node("Mul", {"f", "sx"}, "m");
    m.node("Unsqueeze", {"m", "axes"}, "u").node("Transpose", {"u"}, "t", {attribute("perm", {0, 2, 1})});
    m.node("Squeeze", {"u", "axes"}, "y");
    return m.bytes();
}

[[maybe_unused]] Corpus corpus() {
    Corpus corpus;
    corpus.mutate_format = mutate_protobuf;
    corpus.seeds = {float_network(), qdq_network(), operator_network(), qonnx_network(), integer_network()};
    for (const char* type :
         {"Conv", "Gemm", "MatMul", "Sub", "Div", "Pow", "BatchNormalization", "Clip", "Sign", "Identity", "Dropout",
          "Pad", "ConvInteger", "Trunc", "Slice", "Sigmoid", "Tanh", "Constant", "If"}) {
        corpus.pieces.push_back(Message().text(4, type).bytes);
    }
    for (const int64_t value : {int64_t(0), int64_t(-1), int64_t(1) << 31, INT64_MAX, INT64_MIN, int64_t(1) << 62}) {
        for (const int field : {1, 3, 7, 8}) corpus.pieces.push_back(Message().varint(field, value).bytes);
    }
    for (const char* name : {"x", "y", "w", "c", "f", "sx", "zx"})
        corpus.pieces.push_back(Message().text(1, name).bytes);
    return corpus;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    bitline::Network network;
    try {
        network = bitline::read_onnx_bytes(std::string(reinterpret_cast<const char*>(data), size), "fuzz.onnx");
    } catch (const bitline::InputError&) {
        return 0;
    }
    bitline::validate(network);
    return 0;
}

#ifndef BITLINE_LIBFUZZER
int main(int argc, char** argv) {
    const Corpus all = corpus();
    try {
        for (const std::string& seed : all.seeds) bitline::read_onnx_bytes(seed, "seed");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "fuzz_onnx: a seed cannot be read, so its mutations reach nothing: %s\n", error.what());
        return 1;
    }
    return run("fuzz_onnx", all, 20000, argc, argv);
}
#endif
