#include "bindings/cli/train_arguments.h"

namespace bitline::cli {

namespace {

void add_inputs(Command& command, TrainArguments& a) {
    command.required = {
        add_text(command, "MODEL", a.model, "",
                 "network: a name (bitline list networks), a .yaml of\nlayers, or a float .onnx or .h5 to go on from"),
        add_text(command, "--data", a.data, "DATA",
                 "to train on: FILE.h5, idx:IMAGES,LABELS,\ncifar10:FILE[,FILE..], npz:FILE or\n"
                 "raw:FILE,LABELS,DTYPE,AxBxC"),
        add_text(command, "--test", a.test, "DATA", "to test on after every epoch"),
        add_text(command, "-o,--output", a.output, "OUT.h5", "the network as trained; with a method, of integers"),
    };
    add_text(command, "--onnx", a.onnx, "OUT.onnx", "the same as ONNX (QDQ)");
    add_text(command, "--limit", a.limit, "N", "train on the first N samples only");
    add_text(command, "--test-limit", a.test_limit, "N", "test on the first N samples only");
    add_text(command, "--preprocess", a.preprocess, "P",
             "raw, unit, imagenet or scale=..,mean=..,std=.. (default: the\nmodel's own, else unit with idx: and "
             "cifar10:, else raw)");
    add_text(command, "--classes", a.classes, "N", "outputs of a new network (largest label + 1)");
    add_text(command, "--width", a.width, "F", "factor of the channels of a new network, 0 < F <= 16 (1)");
    add_text(command, "--bias", a.bias, "on|off",
             "of a new network's layers with weights (on where no batch\nnorm "
             "follows)");
    add_text(command, "--affine", a.affine, "on|off", "whether its batch norms learn gamma and beta (on)");
    add_text(command, "--batch-norm", a.batch_norm, "on|off", "whether it has batch norms (on)");
    add_text(command, "--dropout", a.dropout, "S", "share of the last layer's inputs set to 0, below 1 (0)");
}

void add_method(Command& command, TrainArguments& a) {
    add_text(command, "--method", a.method, "M", "bitline list methods, or float (float)");
    add_text(command, "--weight-bits", a.weight_bits, "N", "within the method's range (the method's default)");
    add_text(command, "--input-bits", a.input_bits, "N", "within the method's range (the method's default)");
    add_text(command, "--gradient-bits", a.gradient_bits, "N",
             "methods that quantize gradients only: 1 to 8, or 32 (32)");
    add_text(command, "--first-last-bits", a.first_last_bits, "N|same",
             "of the first and the last layer, by method ste: 2 to 16,\nor same as the others (8)");
    add_texts(command, "--layer-bits", a.layer_bits, "LAYER=W/I",
              "weight and input bits of one layer; may be repeated");
    command.app->add_flag("--fold-batch-norm", a.fold_batch_norm,
                          "fold batch norms into quantized layers while training");
}

void add_training(Command& command, TrainArguments& a) {
    add_text(command, "--epochs", a.epochs, "E", "passes through the data (20)");
    add_text(command, "--batch", a.batch, "N", "samples per step (64)");
    add_text(command, "--optimizer", a.optimizer, "NAME", "sgd, nesterov, adam or adamw (adam)");
    add_text(command, "--rate", a.rate, "R", "learning rate (0.05 with sgd and nesterov, else 0.001)");
    add_text(command, "--momentum", a.momentum, "M", "sgd and nesterov only, below 1 (0.9)");
    add_text(command, "--weight-decay", a.weight_decay, "D", "0 or more (0)");
    add_text(command, "--gradient-norm", a.gradient_norm, "G", "scale gradients down to this norm (not at all)");
    add_text(
        command, "--schedule", a.schedule, "S",
        "of the rate: constant, cosine, step=30/60:0.1 (epochs,\nfactor) or exponential=0.95 (per epoch) (cosine)");
    add_text(command, "--warmup", a.warmup, "E", "epochs over which the rate rises from 0 (0)");
    add_text(command, "--loss", a.loss, "NAME", "cross-entropy or mse (cross-entropy)");
    add_text(command, "--label-smoothing", a.smoothing, "S", "cross-entropy only, below 1 (0)");
    add_text(command, "--teacher", a.teacher, "MODEL", "network to learn from by distillation: .onnx or .h5");
    add_text(command, "--temperature", a.temperature, "T", "of the distillation (4)");
    add_text(command, "--teacher-weight", a.teacher_weight, "W", "of the teacher, the labels have 1 - W (0.9)");
    add_text(command, "--augment", a.augment, "A", "none, or crop=4, reflect and flip with commas between (none)");
    add_text(command, "--freeze-batch-norm", a.freeze_batch_norm, "E", "after E epochs keep the running statistics");
    add_text(command, "--seed", a.seed, "S", "of all random numbers (0)");
}

void add_hardware(Command& command, training::HardwareTexts& a) {
    add_text(command, "--hardware", a.strength, "S",
             "what training meets: noise (relative to ranges), device\n(the cells of a fresh chip at every step) or "
             "full (the whole\nchip simulation) (nothing)");
    add_text(command, "--hardware-after", a.after, "E", "epochs without it before (0)");
    add_text(command, "--weight-noise", a.weight_noise, "S", "noise: deviation over the layer's largest weight (0.05)");
    add_text(command, "--output-noise", a.output_noise, "S", "noise: deviation over the layer's largest output (0)");
    add_text(command, "--arch", a.architecture, "A",
             "the chip, in the loop and at the end: name (bitline list\narchitectures) or YAML file (default)");
    add_text(command, "--device", a.device, "NAME", "its cells: a name (bitline list devices) or a YAML file");
    add_texts(command, "--set", a.settings, "KEY=VALUE", "change one key of the architecture; may be repeated");
    add_text(command, "--age", a.ages, "T[,T..]",
             "of the chips at the end; device and full meet ages up to\nthe last one (0)");
    add_text(command, "--chip-temperature", a.temperature, "K", "of every read (300)");
    command.app->add_flag("--fixed-chip", a.fixed_chip, "device, full: one chip for all steps, trial 1 at the end");
    add_text(command, "--calibration", a.samples, "N",
             "device, full: training samples for converter ranges\nand compensation (64)");
    add_text(command, "--calibrate-every", a.every, "N", "full: steps between calibrations of converter ranges (100)");
    command.app->add_flag("--learn-adc-ranges", a.learn_ranges,
                          "full: converter ranges are trained instead, from\ncalibrated ones on");
    add_text(command, "--chip-trials", a.trials, "N", "chips that the result is measured on (10)");
    add_text(command, "--chip-limit", a.limit, "N", "test samples that they are measured on (all)");
}

void add_run(Command& command, TrainArguments& a) {
    add_text(command, "--threads", a.threads, "K", "1 to 1024; never changes a result (all processors)");
    add_text(command, "--checkpoint", a.checkpoint, "FILE",
             "state of the run, kept (default: OUT.checkpoint.h5,\nremoved at the end)");
    add_text(command, "--every", a.every, "N", "epochs between checkpoints (1)");
    add_text(command, "--resume", a.resume, "FILE", "go on from a checkpoint of the same run, with the same bits");
    add_text(command, "--initial", a.initial, "FILE",
             "begin with what a checkpoint's network has learned,\nwhatever the options of that run");
    add_text(command, "--json", a.json, "FILE",
             "a line of JSON per epoch, one on the network and one on\nthe chips; - for standard output");
    command.app->add_flag("--quiet", a.quiet, "no progress on the terminal");
}

}  // namespace

void add_arguments(Command& command, TrainArguments& a) {
    add_inputs(command, a);
    add_method(command, a);
    add_training(command, a);
    add_hardware(command, a.hardware);
    add_run(command, a);
}

}  // namespace bitline::cli
