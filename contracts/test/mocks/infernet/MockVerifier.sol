// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {IVerifier} from "infernet-sdk/payments/IVerifier.sol";

/// @title A verifier that does as it is told: settles at once, later, or never.
contract MockVerifier is IVerifier {
    enum Mode {
        Silent,
        AtomicValid,
        AtomicInvalid
    }

    Coordinator internal immutable COORDINATOR;

    Mode internal mode;
    address internal payee;
    mapping(address => bool) internal supported;
    mapping(address => uint256) internal fees;

    uint256 public requests;
    bytes32 public lastRequestHash;

    constructor(Coordinator coordinator) {
        COORDINATOR = coordinator;
        payee = address(this);
    }

    receive() external payable {}

    function set(address token, bool isSupported, uint256 newFee) external {
        supported[token] = isSupported;
        fees[token] = newFee;
    }

    function setMode(Mode newMode) external {
        mode = newMode;
    }

    function setWallet(address newPayee) external {
        payee = newPayee;
    }

    function finalize(uint32 subscriptionId, uint32 interval, address node, bool valid) external {
        COORDINATOR.finalizeProofVerification(subscriptionId, interval, node, valid);
    }

    function requestProofVerification(uint32 subscriptionId, uint32 interval, address node, bytes calldata proof)
        external
    {
        requests++;
        lastRequestHash = keccak256(abi.encode(msg.sender, subscriptionId, interval, node, proof));
        if (mode == Mode.Silent) return;
        COORDINATOR.finalizeProofVerification(subscriptionId, interval, node, mode == Mode.AtomicValid);
    }

    function getWallet() external view returns (address) {
        return payee;
    }

    function isSupportedToken(address token) external view returns (bool) {
        return supported[token];
    }

    function fee(address token) external view returns (uint256) {
        return fees[token];
    }
}
