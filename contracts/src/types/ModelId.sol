// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Identifier of a registered model: keccak256(abi.encode(host, artifactId)).
/// @dev The artifact id names what is served, keccak256(abi.encode(hg_repo_id, revision, base_model)) for a model
///      trained on FLock. The host is part of the id, so nobody can register a model in the name of another.
type ModelId is bytes32;

using {equals as ==, differs as !=} for ModelId global;

function equals(ModelId left, ModelId right) pure returns (bool) {
    return ModelId.unwrap(left) == ModelId.unwrap(right);
}

function differs(ModelId left, ModelId right) pure returns (bool) {
    return ModelId.unwrap(left) != ModelId.unwrap(right);
}
