// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

import {Registry} from "../Registry.sol";
import {Wallet} from "./Wallet.sol";

/// @title Creates wallets and vouches for them: the Coordinator accepts no other.
contract WalletFactory {
    Registry private immutable REGISTRY;

    mapping(address => bool) private wallets;

    /// @notice `caller` created `wallet` for `owner`.
    event WalletCreated(address indexed caller, address indexed owner, address wallet);

    constructor(Registry registry) {
        REGISTRY = registry;
    }

    /// @notice Creates a wallet for `initialOwner`. Anyone may, for anyone.
    function createWallet(address initialOwner) external returns (address) {
        address wallet = address(new Wallet(REGISTRY, initialOwner));
        wallets[wallet] = true;
        emit WalletCreated(msg.sender, initialOwner, wallet);
        return wallet;
    }

    /// @notice Whether this factory created `wallet`.
    function isValidWallet(address wallet) external view returns (bool) {
        return wallets[wallet];
    }
}
