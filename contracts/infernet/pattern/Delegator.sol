// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title Names the account whose EIP-712 signatures may create subscriptions in the name of this contract.
abstract contract Delegator {
    address private signer;

    /// @param signer_ an account with a key: the Coordinator recovers ECDSA signatures and asks no contract (ERC-1271)
    constructor(address signer_) {
        signer = signer_;
    }

    /// @notice The account that signs for this contract.
    function getSigner() external view returns (address) {
        return signer;
    }

    /// @dev Invalidates signatures that were not used so far; subscriptions that exist stay. No event.
    function _updateSigner(address newSigner) internal {
        signer = newSigner;
    }
}
